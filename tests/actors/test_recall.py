"""Many come back to one topic after a restart: its newest events are read from the store, and encoded, once."""

from __future__ import annotations

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
from actors.redaction import TaskRedaction
from actors.retention import Retention
from tests.support.memory_store import MemoryStore
from tests.support.world import Lines, MemorySink, NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
EVENTS = 30


class CountingStore(MemoryStore):
    """Counts the pages that are read of it."""

    reads = 0

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        self.reads += 1
        return await super().read(key, after, max_events=max_events, max_bytes=max_bytes)


class CountingLines(Lines):
    """Counts the events that it encodes."""

    encoded = 0

    def encode(self, event: Event) -> bytes:
        self.encoded += 1
        return super().encode(event)


class Restarted:
    """A topic of 30 events after a restart: none of them is in memory."""

    def __init__(self, nursery: trio.Nursery, store: CountingStore, window: Retention) -> None:
        self.store = store
        self.nursery = nursery
        self.journal = Journal(store)
        keeping = Keeping(self.journal, store, lambda key: True, window)
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(), keeping)
        self.lines = CountingLines()

    def follow(self, sink: MemorySink, since: int) -> None:
        outbox = Outbox(sink, self.nursery.start_soon, OutboxOptions())
        position = Position(self.log.epoch, since)
        self.channels.subscribe(KEY, outbox, self.lines, self.channels.resume(KEY, position))

    @property
    def log(self) -> Log:
        return self.channels.log(KEY)


async def restarted(nursery: trio.Nursery, window: Retention | None = None) -> Restarted:
    store = CountingStore()
    async with trio.open_nursery() as before:
        life = Restarted(before, store, Retention())
        await before.start(life.journal.run)
        await life.channels.publish(KEY, *(draft("word", number) for number in range(EVENTS)))
        before.cancel_scope.cancel()
    here = Restarted(nursery, store, window or Retention(events=100))
    for topic in await store.topics():
        here.channels.take_up(topic)
    await nursery.start(here.journal.run)
    return here


def whole(after: int, last: int = EVENTS) -> list[str]:
    return [f"{number + 1}-{number + 1} word {number}" for number in range(after, last)]


async def test_the_page_of_the_first_is_in_memory_for_the_others(nursery: trio.Nursery) -> None:
    here = await restarted(nursery)
    first, others = MemorySink(), [MemorySink() for _ in range(20)]
    here.follow(first, 10)
    await wait_all_tasks_blocked()
    for sink in others:
        here.follow(sink, 10)
        # No task of its own has run: it was handed all at once.
        assert sink.lines == whole(10)
    assert first.lines == whole(10)
    assert here.store.reads == 1
    assert here.lines.encoded == 2 * (EVENTS - 10)


async def test_what_comes_then_reaches_them_all_in_order(nursery: trio.Nursery) -> None:
    here = await restarted(nursery)
    sinks = [MemorySink() for _ in range(5)]
    for since, sink in enumerate(sinks, 8):
        here.follow(sink, since)
        await wait_all_tasks_blocked()
    await here.channels.publish(KEY, draft("word", EVENTS))
    late = MemorySink()
    here.follow(late, 10)
    await wait_all_tasks_blocked()
    for since, sink in enumerate(sinks, 8):
        assert sink.lines == whole(since, EVENTS + 1)
    assert late.lines == whole(10, EVENTS + 1)


async def test_one_further_back_reads_only_what_is_not_there_yet(nursery: trio.Nursery) -> None:
    here = await restarted(nursery)
    near, far = MemorySink(), MemorySink()
    here.follow(near, 20)
    await wait_all_tasks_blocked()
    assert here.log.statistics().events == 10
    here.follow(far, 0)
    await wait_all_tasks_blocked()
    assert far.lines == whole(0)
    # The page led on to the tail, so it is as good as what was there.
    assert here.store.reads == 2


async def test_the_window_bounds_what_comes_back(nursery: trio.Nursery) -> None:
    here = await restarted(nursery, Retention(events=4))
    sinks = [MemorySink(), MemorySink()]
    for sink in sinks:
        here.follow(sink, 0)
        await wait_all_tasks_blocked()
        assert sink.lines == whole(0)
    assert [event.offset for event in here.log.in_memory()] == [27, 28, 29, 30]
    assert here.channels.statistics().retained_bytes == here.log.statistics().bytes > 0


async def test_what_is_taken_back_is_taken_back_in_memory_too(nursery: trio.Nursery) -> None:
    here = await restarted(nursery)
    for _ in range(3):
        here.follow(MemorySink(), 10)
        await wait_all_tasks_blocked()
    await here.channels.redact(KEY, TaskRedaction(KEY.topic, asked=False))
    after = MemorySink()
    here.follow(after, 10)
    await wait_all_tasks_blocked()
    left = await here.log.page(10, max_events=100, max_bytes=10**6)
    assert after.lines == [here.lines.encode(event).decode().rstrip("\n") for event in left]


def test_only_what_leads_up_to_the_memory_comes_back() -> None:
    source, log = Log(KEY, Retention()), Log(KEY, Retention(events=100), pages=MemoryStore())
    events = [source.append(draft("word", number)) for number in range(10)]
    log.take_up(1, 10, "word")
    log.recall(events[:5])
    log.recall([*events[:2], *events[5:]])
    log.recall([])
    assert log.statistics().events == 0
    log.recall(events[6:])
    log.recall(events[2:6])
    log.recall(events[2:6])
    assert log.read(2, max_events=100, max_bytes=10**6) == events[2:]
    assert log.is_cold(1)


def test_what_compaction_has_taken_out_does_not_come_back() -> None:
    source, log = Log(KEY, Retention()), Log(KEY, Retention(events=100), pages=MemoryStore())
    events = [source.append(draft("word", number)) for number in range(10)]
    log.take_up(1, 10, "word")
    log.compact(6)
    log.recall(events)
    assert log.in_memory() == events[6:]
