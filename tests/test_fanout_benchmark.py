"""The benchmark runs to its end, and says so where a figure does not mean what it seems to."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks import fanout
from benchmarks.fanout_report import JOINED, ONE, PACED, Sample, rows, table_text
from benchmarks.load.compiler import find_compiler
from benchmarks.load.processes import Counted, Latency


def sample(server: str, per_second: float, *, server_cpu: float = 1.0, **changes: float) -> Sample:
    counted = Counted(
        ended="seconds",
        connections=10,
        closed=0,
        total=1000,
        other_messages=0,
        fewest=100,
        most=100,
        bad_stamps=0,
        seconds=1.0,
        deliveries=1000,
        bytes=204_000,
        message_bytes=200_000,
        reads=500,
        segments=1000,
        per_second=per_second,
        cpu_share=0.4,
        run_queue_share=0.0,
        latency_us=Latency(1000, 100.0, 200.0, 300.0, 400.0, 500.0),
    )
    return Sample(server, "ws", ONE, msgspec.structs.replace(counted, **changes), server_cpu, 0.0)


def test_rows_hold_medians_and_the_ratio_to_the_floor() -> None:
    samples = [sample("floor", figure) for figure in (90.0, 100.0, 500.0)]
    samples += [sample("callboard", figure) for figure in (60.0, 10.0, 70.0)]
    floor, callboard = rows(samples)
    assert (floor.server, floor.per_second, floor.ratio) == ("floor", 100.0, None)
    assert (callboard.server, callboard.per_second, callboard.ratio) == ("callboard", 60.0, 0.6)
    assert "60%" in table_text([floor, callboard])


def test_a_second_of_cpu_compares_servers_that_did_not_have_the_core_for_themselves() -> None:
    _, callboard = rows([sample("floor", 100.0, server_cpu=0.5), sample("callboard", 75.0, server_cpu=0.75)])
    assert (callboard.ratio, callboard.cpu_ratio) == (0.75, 0.5)


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"cpu_share": 0.95}, "the load generator was saturated"),
        ({"run_queue_share": 0.2}, "other processes took the core"),
        ({"closed": 3}, "ended by seconds, 3 connections lost"),
        ({"segments": 250}, "4.0 events a write"),
    ],
)
def test_a_doubtful_figure_is_marked(changes: dict[str, float], doubt: str) -> None:
    assert sample("floor", 1.0).doubts == []
    assert sample("floor", 1.0, **changes).doubts == [doubt]
    assert doubt in table_text(rows([sample("floor", 1.0, **changes)]))


@pytest.mark.skipif(find_compiler() is None, reason="the load generator needs a C compiler")
def test_measures_the_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "fanout.json"
    arguments = ["--quick", "--server", "floor", "--transport", "ws", "--connections", "20", "--seconds", "0.3"]
    fanout.main([*arguments, "--json", str(written)])
    report = json.loads(written.read_text())
    assert [one["measure"]["name"] for one in report["samples"]] == [ONE.name, JOINED.name, PACED.name]
    assert all(one["counted"]["deliveries"] > 0 for one in report["samples"])
    assert report["machine"]["cores"] >= 1
    printed = capsys.readouterr()
    assert all(measure.name in printed.out for measure in (ONE, JOINED, PACED))
    assert "[3/3]" in printed.err
