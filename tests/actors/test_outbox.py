from __future__ import annotations

import gc
import weakref

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.event import ChannelKey
from actors.log import Log
from actors.outbox import Outbox, OutboxOptions
from actors.position import Position
from actors.resumption import Resumption
from actors.retention import Retention
from actors.sink import BrokenSink
from actors.subscription import Subscription
from tests.support.drafts import KEY, check_tiles, fact, log_of, read_back, text, text_of
from tests.support.readers import answer
from tests.support.world import Lines, MemorySink

LINES = Lines()


def outbox_on(nursery: trio.Nursery, sink: MemorySink, **options: float) -> Outbox:
    return Outbox(sink, nursery.start_soon, OutboxOptions(**options))  # type: ignore[arg-type]  # named at each call


def attach(outbox: Outbox, log: Log, start: Resumption) -> Subscription:
    subscription = Subscription(log, outbox, LINES, start.offset, start.gap)
    outbox.wake(subscription)
    return subscription


def publish(log: Log, subscription: Subscription, content: str) -> None:
    before = log.tail
    event = log.append(text(content))
    subscription.outbox.offer(subscription, before, log.tail, LINES.encode(event))


async def test_a_reader_that_keeps_up_needs_no_writer(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink()
        subscription = Subscription(log := log_of(), outbox_on(nursery, sink), LINES, 0, None)
        for _ in range(5):
            publish(log, subscription, "x")
        assert not nursery.child_tasks
        assert sink.writes == 5


async def test_a_lagging_reader_costs_one_write_and_gets_every_token(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(10)
        outbox = outbox_on(nursery, sink, batch_bytes=1000)
        subscription = Subscription(log := log_of(), outbox, LINES, 0, None)
        words = [f"word{number} " for number in range(500)]
        for word in words:
            publish(log, subscription, word)
            assert outbox.statistics().rest_bytes < 80
        sink.let_through(None)
        await wait_all_tasks_blocked()
        seen = [read_back(line) for line in sink.lines]
        check_tiles(seen, 0, 500)
        assert text_of(seen) == "".join(words)
        assert len(seen) < 150
        assert not outbox.busy


async def test_replies_go_before_waiting_events_and_a_full_queue_makes_the_replier_wait(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(0)
        outbox = outbox_on(nursery, sink, replies_bytes=10, stall_seconds=1000.0)
        outbox.put_nowait(b"first\n")
        await wait_all_tasks_blocked()
        attach(outbox, log_of(fact(1)), Resumption(0, None))
        put: list[int] = []

        async def replier() -> None:
            for number in range(4):
                await answer(outbox, b"reply%d\n" % number)
                put.append(number)

        nursery.start_soon(replier)
        await wait_all_tasks_blocked()
        assert put == [0, 1]
        assert outbox.statistics().replies_bytes == 14
        sink.let_through(None)
        await wait_all_tasks_blocked()
        assert put == [0, 1, 2, 3]
        assert sink.lines[:3] == ["first", "reply0", "reply1"]
        assert sorted(sink.lines[3:]) == ["1-1 fact 1", "reply2", "reply3"]


async def test_a_peer_that_takes_nothing_is_given_up(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(3)
        outbox = outbox_on(nursery, sink, stall_seconds=7.0)
        outbox.put_nowait(b"a frame\n")
        await wait_all_tasks_blocked()
        begin = trio.current_time()
        await outbox.drain()
        assert trio.current_time() - begin == pytest.approx(7.0)
        assert sink.aborted
        assert outbox.busy


async def test_a_slow_peer_is_not_given_up(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(0)
        outbox = outbox_on(nursery, sink, stall_seconds=7.0)
        outbox.put_nowait(b"x" * 100_000)
        for _ in range(10):
            await trio.sleep(6.0)
            sink.let_through(20_000)
        await wait_all_tasks_blocked()
        assert not sink.aborted
        assert len(sink.written) == 100_000


async def test_a_broken_sink_ends_everything(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink()
        outbox = outbox_on(nursery, sink)
        subscription = Subscription(log := log_of(), outbox, LINES, 0, None)
        sink.aborted = True
        publish(log, subscription, "x")
        assert outbox.busy
        with pytest.raises(BrokenSink):
            await answer(outbox, b"reply\n")
        publish(log, subscription, "y")
        outbox.put_nowait(b"reply\n")
        outbox.abort()
        await outbox.drain()
        assert sink.written == b""
        assert outbox.statistics().lagging == 0
        assert not nursery.child_tasks


async def test_an_abort_wakes_who_waits_to_reply(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        outbox = outbox_on(nursery, MemorySink(0), replies_bytes=1, stall_seconds=1000.0)
        outbox.put_nowait(b"first\n")
        await wait_all_tasks_blocked()
        outbox.put_nowait(b"second\n")
        refused: list[bool] = []

        async def replier() -> None:
            with pytest.raises(BrokenSink):
                await answer(outbox, b"third\n")
            refused.append(True)

        nursery.start_soon(replier)
        await wait_all_tasks_blocked()
        assert refused == []
        outbox.abort()
        await wait_all_tasks_blocked()
        assert refused == [True]


async def test_older_than_the_retention_gets_one_gap_and_goes_on(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink()
        log = log_of(*map(fact, range(10)), retention=Retention(events=3, seconds=1e12))
        attach(outbox_on(nursery, sink), log, log.resume(Position("e1", 2)))
        await wait_all_tasks_blocked()
        seen = [read_back(line) for line in sink.lines]
        assert [one.event_type for one in seen] == ["gap", "fact", "fact", "fact"]
        assert seen[0].data == {"from": 3, "to": 7, "reason": "retention"}
        assert seen[0].offset == 7
        check_tiles(seen, 2, 10)


async def test_dropped_while_the_writer_is_at_it(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(0)
        log = log_of(*map(fact, range(20)), retention=Retention(events=20, seconds=1e12))
        attach(outbox_on(nursery, sink, batch_bytes=1000, stall_seconds=1000.0), log, Resumption(0, None))
        await wait_all_tasks_blocked()
        for number in range(20, 40):
            log.append(fact(number))
        sink.let_through(None)
        await wait_all_tasks_blocked()
        seen = [read_back(line) for line in sink.lines]
        check_tiles(seen, 0, 40)
        assert [one.event_type for one in seen].count("gap") == 1


async def test_a_position_from_the_future_hides_nothing_that_comes(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(0)
        outbox = outbox_on(nursery, sink, stall_seconds=1000.0)
        outbox.put_nowait(b"0-0 reply 0\n")
        log = log_of(*map(fact, range(5)))
        attach(outbox, log, log.resume(Position("e1", 9)))
        await wait_all_tasks_blocked()
        for number in range(5, 8):
            log.append(fact(number))
        sink.let_through(None)
        await wait_all_tasks_blocked()
        seen = [read_back(line) for line in sink.lines]
        assert [one.event_type for one in seen] == ["reply", "gap", "fact", "fact", "fact"]
        assert seen[1].data == {"from": 6, "to": 9, "reason": "future"}
        assert [one.offset for one in seen[2:]] == [6, 7, 8]


async def test_topics_take_turns(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink()
        outbox = outbox_on(nursery, sink, batch_bytes=500)
        for name in ("a", "b"):
            log = log_of(*(fact(ord(name)) for _ in range(8)), key=ChannelKey("app", name))
            attach(outbox, log, Resumption(0, None))
        await wait_all_tasks_blocked()
        order = [chr(int(str(read_back(line).data))) for line in sink.lines]
        assert "".join(order) == "aabb" * 4


async def test_tls_goes_through_the_writer(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(direct=False)
        subscription = Subscription(log := log_of(), outbox_on(nursery, sink), LINES, 0, None)
        publish(log, subscription, "x")
        assert len(nursery.child_tasks) == 1
        publish(log, subscription, "y")
        await wait_all_tasks_blocked()
        check_tiles([read_back(line) for line in sink.lines], 0, 2)
        assert not subscription.outbox.busy


async def test_nothing_is_left_of_a_connection(autojump_clock: trio.abc.Clock) -> None:
    class Tracked(MemorySink):
        pass

    async with trio.open_nursery() as nursery:
        sink = Tracked(0)
        outbox = outbox_on(nursery, sink, stall_seconds=5.0)
        log = log_of(fact(1))
        outbox.forget(attach(outbox, log, Resumption(0, None)))
        outbox.put_nowait(b"reply\n")
        await outbox.drain()
        left = weakref.ref(sink)
        del sink, outbox
        await wait_all_tasks_blocked()
        gc.collect()
        assert left() is None
        assert log.key == KEY


async def test_several_wait_for_one_peer(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        sink = MemorySink(1)
        outbox = outbox_on(nursery, sink, replies_bytes=4)
        await answer(outbox, b"first\n")
        await answer(outbox, b"second\n")
        for waiting in (outbox.drain, outbox.drain, lambda: answer(outbox, b"third\n")):
            nursery.start_soon(waiting)
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 4
        sink.let_through(None)
        await wait_all_tasks_blocked()
        assert not nursery.child_tasks
        assert sink.lines == ["first", "second", "third"]
