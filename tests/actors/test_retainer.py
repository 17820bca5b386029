"""What the retention takes away: readers get every event or are told of a gap, and publishers go on."""

from __future__ import annotations

import random
from collections.abc import Callable

import orjson
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.errors import CallboardError
from actors.event import ChannelKey, Event, draft
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.outbox import Outbox, OutboxOptions
from actors.reader import Reader
from actors.retainer import Retainer, RetainerOptions
from actors.retention import Retention
from actors.store import Record, StoreError, Write
from tests.support.memory_store import MemoryStore
from tests.support.world import Lines, MemorySink, NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
BOUNDS = {"task": Retention(events=20)}


class SlowPages(MemoryStore):
    """What is read was asked for a while ago, as of a disk: floors are raised meanwhile."""

    def __init__(self, pause: Callable[[], float]) -> None:
        super().__init__(pause=pause)
        self._page_pause = pause

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        await trio.sleep(self._page_pause())
        page = await super().read(key, after, max_events=min(max_events, 7), max_bytes=max_bytes)
        await trio.sleep(self._page_pause())
        return page


class FullStore(MemoryStore):
    """Has room for so many events."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.writes: list[Write] = []

    async def commit(self, write: Write) -> None:
        if len(self.events(KEY)) + len(write.events) > self.room:
            raise StoreError("database or disk is full")
        await super().commit(write)
        self.writes.append(write)


class Scene:
    def __init__(self, nursery: trio.Nursery, store: MemoryStore, *, window: int = 5) -> None:
        self.store = store
        self.nursery = nursery
        self.journal = Journal(store, JournalOptions(waiting=4))
        keeping = Keeping(self.journal, store, lambda key: True, Retention(events=window))
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(), keeping)
        self.retainer = Retainer(store, self.journal, self.channels, BOUNDS, options=RetainerOptions(round_seconds=0.5))

    async def publish(self, count: int) -> None:
        await self.channels.publish(KEY, *(draft("word", number) for number in range(count)))

    def follow(self, sink: MemorySink) -> None:
        outbox = Outbox(sink, self.nursery.start_soon, OutboxOptions())
        self.channels.subscribe(KEY, outbox, Lines(), self.channels.log(KEY).replay())


def reached(lines: list[str]) -> int:
    """How far a client got that believes nobody: each line goes on where the last one ended, or tells of a gap."""
    seen = 0
    for line in lines:
        place, event_type, body = line.split(" ", 2)
        offset = int(place.partition("-")[2])
        if event_type == "gap":
            gap = orjson.loads(body)
            assert (gap["from"], gap["to"]) == (seen + 1, offset), line
        else:
            assert offset == seen + 1, line
        seen = offset
    return seen


async def test_of_a_topic_only_its_newest_events_stay(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore())
        await nursery.start(here.journal.run)
        await nursery.start(here.retainer.run)
        await here.publish(100)
        await trio.sleep(1)
        assert [event.offset for event in here.store.events(KEY)] == [*range(81, 101)]
        assert here.channels.log(KEY).first == 81
        sink = MemorySink()
        here.follow(sink)
        await trio.sleep(1)
        assert sink.lines[0] == '80-80 gap {"from":1,"to":80,"reason":"retention"}'
        assert reached(sink.lines) == 100
        nursery.cancel_scope.cancel()


@given(seed=st.integers(0, 2**32))
def test_no_reader_gets_a_hole_for_nothing(seed: int) -> None:
    trio.run(_random_schedule, random.Random(seed), clock=MockClock(autojump_threshold=0))


async def _random_schedule(chance: random.Random) -> None:
    """Publishers, floors and readers that come at any time, over a store that takes any time."""
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, SlowPages(lambda: chance.choice((0, 0.1, 0.7))))
        await nursery.start(here.journal.run)
        await nursery.start(here.retainer.run)
        await here.publish(1)
        sinks: list[MemorySink] = []
        reader = Reader(here.channels)
        reader.add(KEY, here.channels.log(KEY).replay())
        read: list[str] = []

        async def read_on() -> None:
            while True:
                read.extend(Lines().encode(event).decode().strip() for event in await reader.read())

        nursery.start_soon(read_on)
        for _ in range(chance.randrange(5, 25)):
            await here.publish(chance.randrange(1, 30))
            if chance.random() < 0.3:
                sinks.append(MemorySink())
                here.follow(sinks[-1])
            await trio.sleep(chance.choice((0, 0.2, 1)))
        await trio.sleep(100)
        tail = here.channels.log(KEY).tail
        assert {reached(lines) for lines in (read, *(sink.lines for sink in sinks))} == {tail}
        assert len(here.store.events(KEY)) == min(tail, 20)
        nursery.cancel_scope.cancel()


async def test_what_makes_room_goes_ahead_of_what_needs_it(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        store = FullStore(60)
        here = Scene(nursery, store)
        await nursery.start(here.journal.run)
        await here.publish(55)
        with pytest.raises(CallboardError, match="full"):
            await here.publish(10)
        await here.channels.emit(KEY, *(draft("word", number) for number in range(10)))
        await trio.sleep(3)
        with pytest.raises(CallboardError, match="full"):
            here.journal.check()
        await nursery.start(here.retainer.run)
        await trio.sleep(5)
        here.journal.check()
        assert here.channels.log(KEY).tail == 65
        nursery.cancel_scope.cancel()


async def test_what_is_folded_is_kept_with_the_floor(autojump_clock: trio.abc.Clock) -> None:
    async def fold_before(key: ChannelKey, offset: int) -> Record | None:
        await trio.sleep(1)
        return Record("snapshot", key.topic, b"%d" % offset)

    async with trio.open_nursery() as nursery:
        store = FullStore(1_000)
        here = Scene(nursery, store)
        await nursery.start(here.journal.run)
        await here.publish(50)
        await Retainer(store, here.journal, here.channels, BOUNDS, fold_before=fold_before).round()
        [write] = [write for write in store.writes if write.floors]
        assert [(record.id, record.body) for record in write.records] == [("task-1", b"30")]
        nursery.cancel_scope.cancel()


async def test_what_is_folded_is_in_the_journal_before_the_next_is(autojump_clock: trio.abc.Clock) -> None:
    """What is taken back while the next one is folded is taken back behind it."""
    seen: list[list[str]] = []
    other = ChannelKey("task", "task-2", "alice")

    async def fold_before(key: ChannelKey, offset: int) -> Record | None:
        await here.journal.keep()
        seen.append([name for name, _ in await here.store.records("snapshot")])
        return Record("snapshot", key.topic, b"")

    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore())
        await nursery.start(here.journal.run)
        await here.publish(50)
        await here.channels.publish(other, *(draft("word", number) for number in range(50)))
        await Retainer(here.store, here.journal, here.channels, BOUNDS, fold_before=fold_before).round()
        assert seen == [[], ["task-1"]]
        nursery.cancel_scope.cancel()


async def test_a_topic_that_begins_anew_meanwhile_loses_nothing(autojump_clock: trio.abc.Clock) -> None:
    async def forgets_first(key: ChannelKey, offset: int) -> Record | None:
        here.channels.forget(key)
        await here.publish(2)
        return Record("snapshot", key.topic, b"")

    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore())
        await nursery.start(here.journal.run)
        await here.publish(50)
        await Retainer(here.store, here.journal, here.channels, BOUNDS, fold_before=forgets_first).round()
        assert [event.offset for event in here.store.events(KEY)] == [1, 2]
        assert await here.store.records("snapshot") == []
        nursery.cancel_scope.cancel()


async def test_a_store_that_cannot_be_read_is_asked_again(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore())
        await nursery.start(here.journal.run)
        await here.publish(50)
        here.store.fail("busy")
        await nursery.start(here.retainer.run)
        await trio.sleep(5)
        here.store.recover()
        await trio.sleep(5)
        assert len(here.store.events(KEY)) == 20
        nursery.cancel_scope.cancel()
