"""The benchmark of the dialects on a small scale: an audience of each and of all, beside their mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.dialects import ALL, CPU, DELIVERIES, DIALECTS, DIALECTS_BENCHMARK, EACH, MEAN, mean_of, shares
from benchmarks.load.compiler import NO_COMPILER, find_compiler
from benchmarks.report import Reading
from benchmarks.settings import main


def test_a_mixed_audience_is_a_fifth_of_each() -> None:
    assert shares("steps", 1000) == {"steps": 1000}
    assert shares(ALL, 1000) == dict.fromkeys(DIALECTS, 200)


def test_the_mean_is_what_a_fifth_of_each_audience_would_cost() -> None:
    cpu = {"gateway": 50.0, "agent": 30.0, "steps": 10.0, "pipeline": 5.0, "wallet": 5.0}
    found = [Reading("s", dialect, CPU, value, 1000, ("noise",)) for dialect, value in cpu.items()]
    found += [Reading("s", dialect, DELIVERIES, 1000.0, 1000) for dialect in DIALECTS]
    told = {reading.unit: reading for reading in mean_of([*found, Reading("s", ALL, CPU, 99.0, 1000)])}
    assert {unit: reading.value for unit, reading in told.items()} == {CPU: 20.0, DELIVERIES: 1000.0, EACH: 200.0}
    assert {(reading.server, reading.x, reading.doubts) for reading in told.values()} == {(MEAN, 1000, ("noise",))}


@pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)
def test_an_audience_of_each_dialect_and_of_all_is_measured(tmp_path: Path) -> None:
    main([DIALECTS_BENCHMARK], ["--quick", "--seconds", "0.3", "--out", str(tmp_path)], "benchmarks.dialects")
    report = json.loads((tmp_path / "dialects.json").read_text())
    arrived = {line["server"]: line["median"] for line in report["lines"] if line["unit"] == DELIVERIES}
    assert set(arrived) == {MEAN, *DIALECTS, ALL}
    assert min(arrived.values()) > 0
    assert arrived["gateway"] > arrived["steps"]
    assert (tmp_path / "dialects.svg").read_text().startswith("<svg")
