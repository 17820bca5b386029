"""The fan-out benchmark runs to its end, measures what it says, and marks what was disturbed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from benchmarks.fanout import FANOUT, ONE_A_WRITE, Job, failures, jobs, readings
from benchmarks.load.compiler import NO_COMPILER, find_compiler
from benchmarks.load.processes import Counted, Latency
from benchmarks.report import lines
from benchmarks.rig import CALLBOARD, FLOOR, Failed, Load, Watched
from benchmarks.settings import Settings, main

COUNTED = Counted(
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
    per_second=1000.0,
    cpu_share=0.4,
    run_queue_share=0.0,
    latency_us=Latency(1000, 100.0, 200.0, 300.0, 400.0, 500.0),
)
JOB = Job(CALLBOARD, Load("ws", 10))


def watched(*, server_cpu: float = 1.0, waiting: float = 0.0, **changes: float) -> Watched:
    return Watched(msgspec.structs.replace(COUNTED, **changes), server_cpu, waiting, 0)


def test_a_second_of_cpu_compares_servers_that_did_not_have_the_core_for_themselves() -> None:
    per_second, per_cpu_second = readings(JOB, watched(server_cpu=0.5))
    assert (per_second.value, per_second.unit) == (1000.0, "deliveries/s")
    assert (per_cpu_second.value, per_cpu_second.unit) == (2000.0, "deliveries/CPU s")


@pytest.mark.parametrize(
    ("changes", "doubt"),
    [
        ({"cpu_share": 0.95}, "the load generator was saturated"),
        ({"run_queue_share": 0.2}, "other processes took the core"),
        ({"waiting": 0.2}, "other processes took the core"),
        ({"closed": 3}, "3 connections lost, 0 bad time stamps"),
        ({"segments": 250}, "4.0 events a write"),
    ],
)
def test_a_doubtful_figure_is_marked(changes: dict[str, float], doubt: str) -> None:
    assert {reading.doubts for reading in readings(JOB, watched())} == {()}
    assert {reading.doubts for reading in readings(JOB, watched(**changes))} == {(doubt,)}


def test_a_peer_that_fails_is_told_with_its_reason() -> None:
    (line, _) = lines(failures(Job("picows", Load("ws", 10)), Failed("it ended")), FLOOR)
    assert (line.server, line.failed, line.runs) == ("picows", "it ended", 0)


def test_joined_writes_are_expected_where_they_were_asked_for() -> None:
    joined = Job(FLOOR, Load("ws", 10, batch=16))
    assert readings(joined, watched(segments=1000 // 16))[0].doubts == ()
    assert readings(joined, watched())[0].doubts == ("1.0 events a write",)


def test_only_callboard_and_the_floor_are_measured_on_what_peers_do_not_do() -> None:
    found = jobs(Settings(), [FLOOR, CALLBOARD, "picows"])
    assert [job.load for job in found if job.server == "picows"] == [
        Load("ws", count) for count in (10, 100, 1000, 5000)
    ]
    assert {job.server for job in found if job.load.transport == "mixed"} == {CALLBOARD}
    assert {job.server for job in found if job.load.batch == 16} == {FLOOR, CALLBOARD}
    assert {job.server for job in found if job.load.kept} == {FLOOR, CALLBOARD}
    assert max(job.load.connections for job in jobs(Settings(full=True), [FLOOR])) == 15_000


def test_two_generators_are_told_as_one() -> None:
    slower = msgspec.structs.replace(COUNTED, latency_us=Latency(10, 1.0, 2.0, 999.0, 1000.0, 2000.0), fewest=7)
    both = COUNTED.joined(slower)
    assert (both.connections, both.deliveries, both.per_second, both.fewest) == (20, 2000, 2000.0, 7)
    assert (both.latency_us.samples, both.latency_us.p50, both.latency_us.p99) == (1010, 100.0, 999.0)


@pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)
def test_measures_the_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([FANOUT], ["--quick", "--no-peers", "--server", FLOOR, "--seconds", "0.2", "--out", str(tmp_path)], "fanout")
    report = json.loads((tmp_path / "fanout.json").read_text())
    curve = [line for line in report["lines"] if line["subject"] == ONE_A_WRITE and line["unit"] == "deliveries/s"]
    assert [line["x"] for line in curve] == [10, 100]
    assert all(line["median"] > 0 for line in report["lines"])
    assert report["machine"]["cores"] >= 1
    assert (tmp_path / "fanout.svg").read_text().startswith("<svg")
    printed = capsys.readouterr()
    assert "| WebSocket, 100 subscribers, deliveries/s |" in printed.out
    assert "[7/7]" in printed.err
