"""The load generator counts what the bare send loop sends: every event, once, on every connection."""

from __future__ import annotations

import pytest

from benchmarks.load.compiler import NO_COMPILER, find_compiler
from benchmarks.load.processes import Floor, LoadGenerator

CONNECTIONS = 50
EVENTS = 64

pytestmark = pytest.mark.skipif(find_compiler() is None, reason=NO_COMPILER)


@pytest.mark.parametrize("sse", [False, True], ids=["websocket", "sse"])
@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("message_bytes", [100, 200, 70_000])
def test_counts_exactly(sse: bool, batch: int, message_bytes: int) -> None:
    expected = CONNECTIONS * EVENTS
    with (
        Floor(CONNECTIONS, sse=sse, batch=batch, message_bytes=message_bytes, events=EVENTS) as floor,
        LoadGenerator(floor.port, "/", CONNECTIONS, sse=sse) as load,
    ):
        assert load.wait_ready() == CONNECTIONS
        seen = load.result()
    assert seen.ended == "closed"
    assert (seen.total, seen.fewest, seen.most) == (expected, EVENTS, EVENTS)
    assert seen.other_messages == 0
    assert seen.bad_stamps == 0
    assert seen.latency_us.samples == expected
    assert seen.message_bytes == seen.deliveries * message_bytes


def test_stops_at_the_total_and_tells_joined_writes_apart() -> None:
    counted = {}
    for batch in (1, 16):
        with (
            Floor(CONNECTIONS, batch=batch, rate=3200) as floor,
            LoadGenerator(floor.port, "/", CONNECTIONS, total=CONNECTIONS * EVENTS) as load,
        ):
            load.wait_ready()
            counted[batch] = load.result()
        assert counted[batch].ended == "total"
    assert counted[1].events_per_write < 2
    assert counted[16].events_per_write > 8


def test_window_has_the_asked_length_and_rate() -> None:
    with (
        Floor(CONNECTIONS, rate=100) as floor,
        LoadGenerator(floor.port, "/", CONNECTIONS, warmup=0.2, seconds=1) as load,
    ):
        load.wait_ready()
        seen = load.result()
    assert seen.ended == "seconds"
    assert 1 <= seen.seconds < 3
    assert seen.deliveries <= seen.total
    assert 0 < seen.latency_us.p50 <= seen.latency_us.p99 <= seen.latency_us.max


def test_waits_for_the_expected_reply_and_says_what_came_instead(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        Floor(1, rate=100) as floor,
        LoadGenerator(floor.port, "/", 1, script=("--send", "hello", "--expect", "subscribed"), idle=0.5) as load,
        pytest.raises(RuntimeError, match="loadgen ended with status 1"),
    ):
        load.wait_ready()
    said = capfd.readouterr().err
    assert "0 of 1 connections ready" in said
    assert '{"t":' in said
