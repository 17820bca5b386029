"""A log whose older events are in the store: every reader gets them from there, in pages."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey, Event, draft
from actors.journal import Journal
from actors.kept_topics import Keeping
from actors.log import Log
from actors.outbox import Outbox, OutboxOptions
from actors.position import Position
from actors.reader import Reader
from actors.retention import Retention
from actors.store import Floor, Write
from actors.subscription import Subscription
from tests.support.memory_store import MemoryStore
from tests.support.world import Lines, MemorySink, NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
WINDOW = Retention(events=10)
EVENTS = 2_000


class Scene:
    """A topic of 2,000 events, of which ten are in memory."""

    def __init__(self, nursery: trio.Nursery, store: MemoryStore) -> None:
        self.store = store
        self.nursery = nursery
        self.journal = Journal(store)
        keeping = Keeping(self.journal, store, lambda key: True, WINDOW)
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(), keeping)

    def follow(self, sink: MemorySink, since: Position) -> Subscription:
        outbox = Outbox(sink, self.nursery.start_soon, OutboxOptions())
        return self.channels.subscribe(KEY, outbox, Lines(), self.channels.resume(KEY, since))

    @property
    def log(self) -> Log:
        return self.channels.log(KEY)


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore())
        await nursery.start(here.journal.run)
        for start in range(0, EVENTS, 100):
            await here.channels.publish(KEY, *(draft("word", number) for number in range(start, start + 100)))
        yield here
        nursery.cancel_scope.cancel()


def whole(after: int, last: int = EVENTS) -> list[str]:
    return [f"{number + 1}-{number + 1} word {number}" for number in range(after, last)]


async def test_what_left_the_memory_is_read_from_the_store() -> None:
    async with scene() as here:
        assert here.log.statistics().events == 10
        assert here.log.first == 1
        assert here.log.read(5, max_events=3, max_bytes=10**6) == []
        page = await here.log.page(5, max_events=3, max_bytes=10**6)
        assert [event.offset for event in page] == [6, 7, 8]
        assert [event.offset for event in await here.log.page(1995, max_events=9, max_bytes=10**6)] == [
            *range(1996, 2001)
        ]


@pytest.mark.parametrize("since", [0, 1, 1989, 1990, 1991, 2000])
async def test_a_subscriber_far_behind_gets_everything_and_then_what_is_new(since: int) -> None:
    async with scene() as here:
        sink = MemorySink()
        here.follow(sink, Position(here.log.epoch, since))
        await wait_all_tasks_blocked()
        assert sink.lines == whole(since)
        await here.channels.publish(KEY, draft("word", EVENTS))
        await wait_all_tasks_blocked()
        assert sink.lines == whole(since, EVENTS + 1)


async def test_a_subscriber_that_leaves_while_a_page_is_read_gets_no_more() -> None:
    async with scene() as here:
        sink = MemorySink()
        subscription = here.follow(sink, Position(here.log.epoch, 0))
        here.channels.unsubscribe(subscription)
        await wait_all_tasks_blocked()
        assert sink.lines == []


async def test_a_store_that_cannot_be_read_for_a_while_loses_nothing(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        sink = MemorySink()
        here.store.fail("busy")
        here.follow(sink, Position(here.log.epoch, 0))
        await trio.sleep(5)
        assert sink.lines == []
        here.store.recover()
        await trio.sleep(5)
        assert sink.lines == whole(0)


async def test_a_reader_inside_the_engine_reads_pages_too(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        reader = Reader(here.channels)
        reader.add(KEY, here.log.replay())
        offsets: list[int] = []
        while len(offsets) < EVENTS:
            with trio.move_on_after(0):
                # Cancelled at once: what was under way is read again.
                await reader.read()
            offsets += [event.offset for event in await reader.read()]
        assert offsets == [*range(1, EVENTS + 1)]


async def test_what_the_floor_was_raised_over_is_a_gap() -> None:
    async with scene() as here:
        sink = MemorySink()
        here.log.raise_floor(1_000)
        here.follow(sink, Position(here.log.epoch, 0))
        await wait_all_tasks_blocked()
        assert sink.lines == ['1000-1000 gap {"from":1,"to":1000,"reason":"retention"}', *whole(1_000)]


class SlowPages:
    """Pages that are read before `meanwhile` and given after it."""

    def __init__(self, store: MemoryStore, meanwhile: Callable[[], Awaitable[None]]) -> None:
        self._store = store
        self._meanwhile = meanwhile

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        await self._meanwhile()
        return await self._store.read(key, after, max_events=max_events, max_bytes=max_bytes)


def taken_up(pages: SlowPages, tail: int) -> Log:
    log = Log(KEY, WINDOW, epoch="e1", pages=pages)
    log.take_up(1, tail, "word")
    return log


async def kept(store: MemoryStore, events: int) -> None:
    log = Log(KEY, WINDOW, epoch="e1")
    await store.commit(Write(events=[log.append(draft("word", number)) for number in range(events)]))


async def test_what_is_kept_and_not_yet_in_the_log_is_in_no_page() -> None:
    store = MemoryStore()
    await kept(store, 5)
    log = taken_up(SlowPages(store, trio.lowlevel.checkpoint), 3)
    assert [event.offset for event in await log.page(0, max_events=100, max_bytes=10_000)] == [1, 2, 3]


async def test_a_floor_that_rises_while_a_page_is_read_is_told_as_a_gap() -> None:
    store = MemoryStore()
    await kept(store, 5)

    async def drop() -> None:
        log.raise_floor(2)
        await store.commit(Write(floors=[Floor(KEY, 2)]))

    log = taken_up(SlowPages(store, drop), 5)
    assert await log.page(0, max_events=100, max_bytes=10_000) == []
    gap = log.missed(0)
    assert gap is not None
    assert (gap.first, gap.last, gap.reason) == (1, 2, "retention")


async def test_what_is_old_leaves_the_memory_and_is_read_from_the_store() -> None:
    async with scene() as here:
        await here.channels.publish(KEY, draft("word", "old", timestamp=1), draft("word", "new"))
        await here.channels.sweep.run()
        assert [event.data for event in here.log.in_memory()] == [*range(1992, 2000), "old", "new"]
        for _ in range(8):
            await here.channels.publish(KEY, draft("word", "new"))
        await here.channels.sweep.run()
        assert [event.data for event in here.log.in_memory()] == ["new"] * 9
        page = await here.log.page(EVENTS, max_events=2, max_bytes=10**6)
        assert [event.data for event in page] == ["old", "new"]
