"""The asking load generator, the small benchmarks and the peers, on a scale of seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from benchmarks.inbound import ALONE, FLOODED, INBOUND, PONG, SINGLE, SPEED
from benchmarks.latency import LATENCY, NONE_STALLED, STALLED, beside, stalled_numbers, with_stalled
from benchmarks.load.compiler import NO_COMPILER, find_compiler
from benchmarks.load.processes import Echo, LoadGenerator
from benchmarks.peers import install
from benchmarks.peers.catalogue import PEERS, prepare
from benchmarks.rig import CALLBOARD, FLOOR, Failed, Rig, Window, attempt
from benchmarks.settings import Settings, main
from benchmarks.tokens import KEPT, UNKEPT, cancelling, first_token, not_at_rate

pytestmark = pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)


def test_counts_the_answers_of_a_given_depth() -> None:
    script = ("--request", '{"type":"ping"}', "--depth", "4")
    with Echo(5) as echo, LoadGenerator(echo.port, "/", 5, script=script, marker=PONG, total=500) as load:
        load.wait_ready()
        seen = load.result()
    assert seen.ended == "total"
    assert 500 <= seen.total < 600
    assert seen.fewest > 0
    assert seen.latency_us.samples == 0


def test_asks_at_a_rate_and_times_each_answer() -> None:
    script = ("--request", '{"type":"ping"}', "--every", "0.05")
    with Echo(5) as echo, LoadGenerator(echo.port, "/", 5, script=script, marker=PONG, total=25) as load:
        load.wait_ready()
        seen = load.result()
    assert seen.latency_us.samples == seen.total == 25
    assert 0.15 <= seen.seconds < 2
    assert seen.latency_us.p50 > 0


def test_each_asks_once_and_stands_for_its_own_line(tmp_path: Path) -> None:
    topics = tmp_path / "topics"
    topics.write_text("one\ntwo\n")
    script = ("--topics", str(topics), "--request", '{"topic":"%s"}', "--once", "--every", "0.01")
    with Echo(2) as echo, LoadGenerator(echo.port, "/", 2, script=script, marker=PONG, idle=0.3) as load:
        load.wait_ready()
        seen = load.result()
    assert (seen.ended, seen.fewest, seen.most) == ("idle", 1, 1)


def test_too_few_topics_are_said(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    topics = tmp_path / "topics"
    topics.write_text("one\n")
    with (
        Echo(2) as echo,
        LoadGenerator(echo.port, "/", 2, script=("--topics", str(topics))) as load,
        pytest.raises(RuntimeError, match="ended with status 1"),
    ):
        load.wait_ready()
    assert "too few lines" in capfd.readouterr().err


def test_the_others_get_everything_while_some_have_stalled() -> None:
    outcome = beside(Rig(Window(0.1, 0.3), fit=False), CALLBOARD, readers=10, stalled=3)
    counted = outcome.watched.counted
    assert (counted.connections, counted.closed) == (9, 0)
    assert counted.fewest > 0
    assert outcome.bytes > 0


def test_the_change_that_stalled_readers_make_is_told_beside_as_many_readers() -> None:
    found = list(with_stalled(Rig(Window(0.1, 0.3), fit=False), CALLBOARD, 10, 20))
    alone, beside_them, change, memory = found
    assert (alone.subject, beside_them.subject) == (NONE_STALLED, STALLED)
    assert change.value == pytest.approx(100 * (beside_them.value / alone.value - 1))
    assert memory.unit == "KiB a stalled reader"


def test_inbound_measures_the_floor(tmp_path: Path) -> None:
    arguments = ["--quick", "--no-peers", "--server", FLOOR, "--seconds", "0.2", "--out", str(tmp_path)]
    main([INBOUND], arguments, "inbound")
    found = json.loads((tmp_path / "inbound.json").read_text())["lines"]
    assert {line["subject"] for line in found} == {SPEED, SINGLE, ALONE, FLOODED}
    assert all(line["median"] > 0 for line in found)


def test_latency_measures_the_floor_without_stalled_readers(tmp_path: Path) -> None:
    arguments = ["--quick", "--no-peers", "--server", FLOOR, "--seconds", "0.2", "--out", str(tmp_path)]
    main([LATENCY], arguments, "latency")
    found = json.loads((tmp_path / "latency.json").read_text())["lines"]
    assert {line["unit"] for line in found} == {"p50 ms", "p99 ms", "p99.9 ms"}
    assert STALLED not in {line["subject"] for line in found}
    assert stalled_numbers(Settings(), CALLBOARD) == (1, 20, 200)
    assert stalled_numbers(Settings(), FLOOR) == ()


@pytest.mark.parametrize("server", [KEPT, UNKEPT])
def test_first_token_and_cancellation_are_measured_on_callboard(server: str) -> None:
    rig = Rig(Window(0.1, 0.3), fit=False)
    found = [*first_token(rig, server, 10), *cancelling(rig, server, 5)]
    assert {reading.server for reading in found} == {server}
    assert all(0 < reading.value < 1000 for reading in found)


def test_streams_that_lag_behind_their_rate_are_told_apart() -> None:
    assert not_at_rate(24_900, 500) == ()
    assert not_at_rate(12_500, 500) == ("not at rate: 50% of the tokens came",)


def test_a_peer_that_fails_is_said_in_a_line_and_a_server_of_ours_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise RuntimeError("it ended\nwith a long story")

    assert attempt("picows", fail) == Failed("it ended")
    assert "picows failed: it ended" in capsys.readouterr().err
    with pytest.raises(RuntimeError):
        attempt(CALLBOARD, fail)


def test_peers_that_cannot_be_had_are_told_with_the_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_program(name: str) -> None:
        return None

    monkeypatch.setattr(shutil, "which", no_program)
    monkeypatch.setattr(install, "NGINX_HOME", tmp_path)
    monkeypatch.setattr(install, "BUILD", tmp_path)
    found, missing = prepare([peer for peer in PEERS if peer.kind.value != "python"])
    assert found == []
    assert missing == {
        "Node ws": "node and npm are not installed",
        "nginx+Nchan": "it is taken from Debian's packages, and this is no Debian",
    }
