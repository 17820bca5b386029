"""Many frames in one read: how long they keep others waiting, what is answered in one write, who is held back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from wsproto.frame_protocol import Opcode

from actors.outbox import Outbox, OutboxOptions
from actors.rate import TokenBucket
from tests.support.raw_websocket import PING, frame, text_frame
from tests.transport.recording import PONG_HELLO, Recording, open_on
from transport.websocket import WebSocket

STEP = 0.00005
SLICE = 0.00025


class StepClock(trio.abc.Clock):
    """Time that passes by being looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def start_clock(self) -> None:
        pass

    def current_time(self) -> float:
        self.now += STEP
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return 0.0 if deadline <= self.now else math.inf


def run_stepwise(test: Callable[[StepClock], Awaitable[None]]) -> None:
    clock = StepClock()

    async def run() -> None:
        await test(clock)

    trio.run(run, clock=clock)


@pytest.mark.parametrize(
    "flood",
    [frame(Opcode.PONG) * 500, frame(0, b"", first=0) * 500, PING * 500, frame(Opcode.PING) * 10_000],
    ids=["pongs", "empty fragments", "pings", "ten thousand pings"],
)
def test_a_flood_of_small_frames_in_one_read_lets_others_run(flood: bytes) -> None:
    async def test(clock: StepClock) -> None:
        stream = Recording(frame(0, b"a", first=Opcode.TEXT) + flood + frame(Opcode.CONTINUATION, b"b"), end=None)
        turns = []

        async def bystander() -> None:
            while True:
                await trio.lowlevel.checkpoint()
                turns.append(clock.now)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(bystander)
            assert await open_on(stream).receive() == "ab"
            nursery.cancel_scope.cancel()
        assert len(turns) > 100
        assert max(later - turn for turn, later in itertools.pairwise(turns)) < SLICE + 20 * STEP

    run_stepwise(test)


def test_messages_are_handed_up_at_once_until_the_slice_is_over() -> None:
    async def test(clock: StepClock) -> None:
        socket = open_on(Recording(text_frame("x") * 100, end=None))
        assert await socket.receive() == "x"
        at_once = 0
        while socket.receive_nowait() is not None:
            at_once += 1
        assert 0 < at_once < 20
        for _ in range(99 - at_once):
            assert (socket.receive_nowait() or await socket.receive()) == "x"
        assert socket.receive_nowait() is None

    run_stepwise(test)


async def test_what_one_read_brought_is_answered_in_one_write(mock_clock: trio.testing.MockClock) -> None:
    stream = Recording(text_frame("x") * 3 + PING, end=None)
    socket = open_on(stream)
    text = await socket.receive()
    for reply in (b"1", b"2", b"3"):
        assert text == "x"
        socket.reply(reply)
        text = socket.receive_nowait()
    assert text is None
    assert stream.writes == []
    with trio.CancelScope() as scope:
        scope.cancel()
        await socket.receive()
    assert stream.writes == [b"123" + PONG_HELLO]


async def test_what_is_held_goes_before_the_close_frame(mock_clock: trio.testing.MockClock) -> None:
    stream = Recording(text_frame("x") + frame(Opcode.BINARY, b"x"))
    socket = open_on(stream)
    assert await socket.receive() == "x"
    socket.reply(b"reply")
    assert socket.receive_nowait() is None
    assert stream.written[:9] == b"reply\x88" + stream.written[6:7] + (1003).to_bytes(2, "big")
    assert await socket.receive() is None


async def test_long_replies_end_the_slice(mock_clock: trio.testing.MockClock) -> None:
    socket = open_on(Recording(text_frame("x") * 3, end=None))
    assert await socket.receive() == "x"
    socket.reply(b"r" * 10_000)
    assert socket.receive_nowait() == "x"
    socket.reply(b"r" * 10_000)
    assert socket.receive_nowait() is None
    assert await socket.receive() == "x"


class Blocked(Recording):
    """Takes nothing until it is told to."""

    __slots__ = ("go_on",)

    def __init__(self, *chunks: bytes) -> None:
        super().__init__(*chunks, end=None)
        self.go_on = trio.Event()

    def write_nowait(self, data: bytes | memoryview) -> int:
        return 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.go_on.wait()
        self.writes.append(bytes(data))


async def test_a_cancelled_wait_for_room_loses_no_reply(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    stream = Blocked(text_frame("x") * 2)
    outbox = Outbox(stream, nursery.start_soon, OutboxOptions(replies_bytes=2))
    socket = WebSocket(stream, outbox, 1000, TokenBucket(1, 100, 0))
    assert await socket.receive() == "x"
    socket.reply(b"held")
    outbox.put_nowait(b"first,")
    outbox.put_nowait(b"second,")
    with trio.CancelScope() as scope:
        scope.cancel()
        await socket.receive()
    assert scope.cancelled_caught
    stream.go_on.set()
    assert await socket.receive() == "x"
    await outbox.drain()
    assert stream.written == b"first,second,held"


async def test_a_connection_that_breaks_while_it_waits_for_room_has_ended(
    nursery: trio.Nursery, mock_clock: trio.testing.MockClock
) -> None:
    stream = Blocked(PING * 3)
    outbox = Outbox(stream, nursery.start_soon, OutboxOptions(replies_bytes=2))
    socket = WebSocket(stream, outbox, 1000, TokenBucket(1, 100, 0))
    outbox.put_nowait(b"first")
    outbox.put_nowait(b"second")
    async with trio.open_nursery() as inner:
        inner.start_soon(abort_when_blocked, outbox)
        assert await socket.receive() is None
    stream.go_on.set()


async def abort_when_blocked(outbox: Outbox) -> None:
    await trio.testing.wait_all_tasks_blocked()
    outbox.abort()


async def test_one_who_pings_beyond_its_rate_is_read_more_slowly(autojump_clock: trio.testing.MockClock) -> None:
    stream = Recording(*[PING * 10] * 5, end=None)
    socket = open_on(stream, spare=TokenBucket(10, 20, trio.current_time()))
    began = trio.current_time()
    with trio.move_on_after(2.05):
        await socket.receive()
    assert trio.current_time() - began == pytest.approx(2.05)
    assert len(stream.written) // len(PONG_HELLO) == pytest.approx(20 + 20, abs=2)
    with trio.move_on_after(10):
        await socket.receive()
    assert stream.written == PONG_HELLO * 50


async def test_the_longest_pause_is_a_second(autojump_clock: trio.testing.MockClock) -> None:
    socket = open_on(Recording(PING * 3 + text_frame("x")), spare=TokenBucket(0.001, 1, trio.current_time()))
    assert await socket.receive() == "x"
    assert trio.current_time() == pytest.approx(2)


async def test_one_whose_frame_comes_in_crumbs_is_read_more_slowly(autojump_clock: trio.testing.MockClock) -> None:
    data = text_frame("x" * 306)
    stream = Recording(*[data[start : start + 10] for start in range(0, len(data), 10)])
    socket = open_on(stream, spare=TokenBucket(10, 20, trio.current_time()))
    assert await socket.receive() == "x" * 306
    # The read that completes it is none of these.
    assert trio.current_time() == pytest.approx((len(data) // 10 - 20) / 10, abs=0.11)


async def test_the_fragments_of_a_long_message_are_not_held_back(autojump_clock: trio.testing.MockClock) -> None:
    middle = frame(Opcode.CONTINUATION, b"x" * 600, first=0) * 50
    stream = Recording(frame(0, b"x" * 600, first=Opcode.TEXT) + middle + frame(Opcode.CONTINUATION, b"x"))
    socket = open_on(stream, 100_000, spare=TokenBucket(1, 1, trio.current_time()))
    assert len(await socket.receive() or "") == 51 * 600 + 1
    assert trio.current_time() == 0
