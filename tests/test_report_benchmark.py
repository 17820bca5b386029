"""What the benchmarks print and draw: medians, spread, ratios, doubts, and an SVG that is well formed."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from benchmarks.machine import describe
from benchmarks.picture import Axis, bars, curves, picture
from benchmarks.report import Line, Reading, Report, heading, lines, markdown, number

FLOOR, OURS = "floor", "ours"


def runs(server: str, *values: float, x: int = 10, doubts: tuple[str, ...] = ()) -> list[Reading]:
    return [Reading("{x} subscribers", server, "deliveries/s", value, x, doubts) for value in values]


def report(readings: list[Reading], missing: dict[str, str] | None = None) -> Report:
    return Report(
        "fanout", "the command", 1.0, describe(), {"peer": {"lib": "1.2"}}, missing or {}, lines(readings, FLOOR), []
    )


def test_a_line_has_the_median_the_spread_and_the_ratio_to_the_floor() -> None:
    floor, ours = lines([*runs(FLOOR, 90, 100, 500), *runs(OURS, 60, 10, 70)], FLOOR)
    assert (floor.median, floor.lowest, floor.highest, floor.ratio) == (100, 90, 500, None)
    assert (ours.median, ours.lowest, ours.highest, ours.ratio) == (60, 10, 70, 0.6)


def test_the_floor_of_the_same_place_on_the_curve_counts() -> None:
    found = lines([*runs(FLOOR, 100), *runs(FLOOR, 200, x=20), *runs(OURS, 50), *runs(OURS, 50, x=20)], FLOOR)
    assert [(line.x, line.ratio) for line in found if line.server == OURS] == [(10, 0.5), (20, 0.25)]


def test_disturbed_runs_do_not_count_where_others_do() -> None:
    (line,) = lines([*runs(OURS, 50, doubts=("busy",)), *runs(OURS, 100, 102)], FLOOR)
    assert (line.median, line.lowest, line.runs, line.disturbed, line.doubts) == (100, 100, 2, 1, ())


def test_where_all_runs_were_disturbed_they_count_and_are_marked() -> None:
    found = runs(OURS, 50, 60, doubts=("busy",))
    (line,) = lines(found, FLOOR)
    assert (line.median, line.runs, line.disturbed, line.doubts) == (50, 2, 0, ("busy",))
    told = markdown(report(found))
    assert "50 (50-60) (!)" in told
    assert "disturbed in every run: busy." in told


def test_what_failed_is_told_and_does_not_count_beside_what_did_not() -> None:
    gone = Reading("{x} subscribers", "peer", "deliveries/s", 0, 10, failed="it ended")
    (line,) = lines([gone, *runs("peer", 50)], FLOOR)
    assert (line.median, line.runs, line.failed) == (50, 1, "")
    told = markdown(report([*runs(FLOOR, 100), gone]))
    assert "| 100 | failed |" in told
    assert "peer failed (10 subscribers): it ended" in told
    assert "rect x=" not in bars("t", lines([gone], FLOOR)).body


def test_the_table_has_a_row_for_each_place_and_a_column_for_each_server() -> None:
    told = markdown(report([*runs(FLOOR, 1000), *runs(OURS, 500), *runs(OURS, 7, x=2000)], {"peer": "no compiler"}))
    assert "|  | floor | ours |" in told
    assert "| 10 subscribers, deliveries/s | 1,000 | 500 ×0.50 |" in told
    assert "| 2,000 subscribers, deliveries/s |  | 7 |" in told
    assert "peer is missing: no compiler" in told


def test_the_heading_names_the_machine_the_versions_and_the_command() -> None:
    told = heading(report([]))
    assert f"Python {describe().python}" in told
    assert "peer: lib 1.2" in told
    assert "`the command`" in told


@pytest.mark.parametrize(
    ("value", "text"), [(1234567.8, "1,234,568"), (99.44, "99.4"), (5.0, "5"), (0.123, "0.12"), (0.0, "0")]
)
def test_numbers_have_the_digits_that_mean_something(value: float, text: str) -> None:
    assert number(value) == text


def test_bars_are_as_long_as_their_figures() -> None:
    found: list[Line] = lines([*runs(FLOOR, 100), *runs("<ours>", 25)], FLOOR)
    root = ElementTree.fromstring(picture([bars("a & b", found)], "caption"))  # noqa: S314 our own text
    widths = [float(bar.get("width", "")) for bar in root.iter() if bar.tag.endswith("rect") and bar.get("x")]
    assert widths == pytest.approx([widths[0], widths[0] / 4], abs=0.1)
    assert {"a & b", "<ours>", "caption"} <= {text.text for text in root.iter() if text.tag.endswith("text")}


def test_a_curve_goes_through_its_points_and_leaves_out_what_has_no_logarithm() -> None:
    panel = curves("t", {"a": [(1, 10), (10, 100), (100, 1000)], "b": [(0, 5), (10, 0)], "c": []})
    root = ElementTree.fromstring(picture([panel], ""))  # noqa: S314 our own text
    (curve,) = [line for line in root.iter() if line.tag.endswith("polyline")]
    points = [tuple(map(float, point.split(","))) for point in curve.get("points", "").split()]
    steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(points)]
    assert len(points) == 3
    assert steps[0] == pytest.approx(steps[1], abs=0.2)
    assert steps[0][0] > 0 > steps[0][1]


def test_nothing_to_draw_is_drawn_as_a_title() -> None:
    ElementTree.fromstring(picture([bars("none", []), curves("none", {})], ""))  # noqa: S314 our own text
    assert "polyline" not in curves("none", {"a": []}).body


def test_an_axis_of_one_value_still_has_a_length() -> None:
    axis = Axis([10], 0, 100)
    assert axis.place(10) == 0
    assert axis.ticks() == [10, 100]
