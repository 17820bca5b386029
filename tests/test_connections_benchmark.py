"""The benchmark of connections runs to its end, and sets Callboard's figures beside the floor's."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks import connections
from benchmarks.connections import OPENED, SUBSCRIBED, Sample, rows, table_text
from benchmarks.load.compiler import NO_COMPILER, find_compiler


def sample(server: str, measure: str = OPENED, **changes: float) -> Sample:
    return msgspec.structs.replace(Sample(server, "ws", measure, 50.0, 100.0, 2048.0, 0.0), **changes)


def test_rows_hold_medians_and_the_ratio_to_the_floor() -> None:
    samples = [sample("floor", per_cpu_second=figure) for figure in (90.0, 100.0, 500.0)]
    samples += [sample("callboard", SUBSCRIBED, per_cpu_second=figure) for figure in (20.0, 10.0, 70.0)]
    floor, callboard = rows(samples)
    assert (floor.per_cpu_second, floor.ratio) == (100.0, None)
    assert (callboard.measure, callboard.per_cpu_second, callboard.ratio) == (SUBSCRIBED, 20.0, 0.2)
    assert "20%" in table_text([floor, callboard])
    assert "2.0" in table_text([callboard])


def test_a_disturbed_figure_is_marked() -> None:
    assert "other processes" not in table_text(rows([sample("floor")]))
    assert "other processes" in table_text(rows([sample("floor"), sample("floor", waiting_share=0.2)]))


@pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)
@pytest.mark.parametrize("transport", ["ws", "sse"])
def test_measures_both_servers(tmp_path: Path, capsys: pytest.CaptureFixture[str], transport: str) -> None:
    written = tmp_path / "connections.json"
    connections.main(["--quick", "--connections", "30", "--transport", transport, "--json", str(written)])
    report = json.loads(written.read_text())
    taken = [(one["server"], one["measure"]) for one in report["samples"]]
    assert taken == [("floor", OPENED), ("callboard", OPENED), ("callboard", SUBSCRIBED)]
    assert all(one["per_second"] > 0 for one in report["samples"])
    assert "[3/3]" in capsys.readouterr().err
