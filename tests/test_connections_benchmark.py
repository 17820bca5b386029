"""The benchmark of connections measures what it says beside the floor, and tells its doubts figure by figure."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks.connections import (
    CONNECTIONS,
    CPU_RATE,
    MEMORY,
    OPENED,
    RATE,
    SUBJECTS,
    SUBSCRIBED,
    Job,
    Sample,
    jobs,
    readings,
    take,
)
from benchmarks.load.compiler import NO_COMPILER, find_compiler
from benchmarks.rig import CALLBOARD, FLOOR, GENERATOR_SATURATED, OTHERS_RAN, Rig, Window
from benchmarks.settings import Settings, main

JOB = Job(CALLBOARD, "ws", SUBSCRIBED, 10)
SAMPLE = Sample(
    per_second=50.0,
    per_cpu_second=100.0,
    bytes_each=2048.0,
    waiting_share=0.0,
    generator_share=0.5,
    generator_waiting=0.0,
)


def doubts(**changes: float) -> dict[str, tuple[str, ...]]:
    return {reading.unit: reading.doubts for reading in readings(JOB, msgspec.structs.replace(SAMPLE, **changes))}


def test_a_sample_is_told_in_three_figures() -> None:
    figures = {reading.unit: reading.value for reading in readings(JOB, SAMPLE)}
    assert figures == {RATE: 50.0, CPU_RATE: 100.0, MEMORY: 2.0}
    assert doubts() == {RATE: (), CPU_RATE: (), MEMORY: ()}


def test_other_processes_make_both_rates_doubtful_and_a_saturated_generator_one() -> None:
    assert doubts(waiting_share=0.2) == {RATE: (OTHERS_RAN,), CPU_RATE: (OTHERS_RAN,), MEMORY: ()}
    assert doubts(generator_waiting=0.2)[RATE] == (OTHERS_RAN,)
    assert doubts(generator_share=0.99) == {RATE: (GENERATOR_SATURATED,), CPU_RATE: (), MEMORY: ()}


def test_peers_are_measured_on_what_they_do() -> None:
    found = [(job.transport, job.state, job.connections) for job in jobs(Settings(), [FLOOR, CALLBOARD, "picows"])[:3]]
    assert found == [("ws", OPENED, 10_000)] * 3
    peer = [job for job in jobs(Settings(), [FLOOR, CALLBOARD, "picows"]) if job.server == "picows"]
    assert [(job.state, job.connections) for job in peer] == [
        (OPENED, 10_000), (SUBSCRIBED, 1000), (SUBSCRIBED, 10_000),
    ]  # fmt: skip
    assert all(job.state == OPENED for job in jobs(Settings(), [FLOOR]))


@pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)
@pytest.mark.parametrize("transport", ["ws", "sse"])
def test_callboards_connections_are_authenticated_and_subscribed(transport: str) -> None:
    sample = take(Rig(Window(), fit=False), Job(CALLBOARD, transport, SUBSCRIBED, 30), [])
    assert sample.per_second > 0
    assert sample.per_cpu_second > 0
    assert sample.bytes_each > 0


@pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)
def test_measures_the_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([CONNECTIONS], ["--quick", "--no-peers", "--server", FLOOR, "--out", str(tmp_path)], "connections")
    report = json.loads((tmp_path / "connections.json").read_text())
    assert {line["subject"] for line in report["lines"]} == {SUBJECTS["ws", OPENED], SUBJECTS["sse", OPENED]}
    assert all(line["median"] > 0 for line in report["lines"] if line["unit"] != MEMORY)
    assert "[2/2]" in capsys.readouterr().err
