"""A finished task of which only the discrete events and the snapshot are left: who reads it, and from where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.compactor import Compactor, CompactorOptions
from actors.event import ChannelKey, Draft, Merge, draft, now_ms
from actors.journal import Journal
from actors.kept_topics import Keeping
from actors.log import Log
from actors.outbox import Outbox, OutboxOptions
from actors.position import Position
from actors.reader import Reader
from actors.resumption import Gap, Resumption
from actors.retention import Retention
from actors.snapshots import Snapshots
from tests.support.drafts import Seen, check_tiles, read_back
from tests.support.memory_store import MemoryStore
from tests.support.world import Lines, MemorySink, NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
LATER = 10**15
DISCRETE = [1, 5, 9]
LAST_GONE = 8


def text(content: str) -> Draft:
    return draft("agent.message", {"content": content}, merge=Merge.TEXT, merge_key="m")


EMITTED = [draft("task.started", {}), *map(text, "abc"), draft("weather", 1), *map(text, "def")]


class Scene:
    """A task whose newest two events are in memory."""

    def __init__(self, nursery: trio.Nursery, store: MemoryStore) -> None:
        self.store = store
        self.nursery = nursery
        self.journal = Journal(store)
        keeping = Keeping(self.journal, store, lambda key: True, Retention(events=2))
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=0), keeping)
        self.snapshots = Snapshots(self.channels, store)
        self.compactor = Compactor(self.channels, self.snapshots, self.journal, CompactorOptions(10.0))

    @property
    def log(self) -> Log:
        return self.channels.log(KEY)

    def follow(self, sink: MemorySink, offset: int) -> None:
        outbox = Outbox(sink, self.nursery.start_soon, OutboxOptions())
        self.channels.subscribe(KEY, outbox, Lines(), self.channels.resume(KEY, Position(self.log.epoch, offset)))

    async def end_task(self) -> None:
        await self.channels.publish(KEY, *EMITTED, draft("task.completed", {}))


@asynccontextmanager
async def scene(store: MemoryStore | None = None) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, store or MemoryStore())
        for topic in await here.store.topics():
            here.channels.take_up(topic)
        await nursery.start(here.journal.run)
        yield here
        nursery.cancel_scope.cancel()


def seen(sink: MemorySink) -> list[Seen]:
    return [read_back(line) for line in sink.lines]


async def test_a_finished_task_keeps_its_snapshot_and_its_discrete_events() -> None:
    async with scene() as here:
        await here.end_task()
        before = await here.snapshots.take(KEY)
        await here.compactor.round(now_ms())
        assert len(here.store.events(KEY)) == len(EMITTED) + 1
        await here.compactor.round(LATER)
        assert [event.offset for event in here.store.events(KEY)] == DISCRETE
        assert (await here.snapshots.take(KEY)) == before
        commits = here.store.commits
        await here.compactor.round(LATER)
        assert here.store.commits == commits


@pytest.mark.parametrize("offset", range(10))
async def test_every_old_position_is_resumed_with_what_is_left_and_every_hole_is_told(offset: int) -> None:
    async with scene() as here:
        await here.end_task()
        await here.compactor.round(LATER)
        resumption = here.log.resume(Position(here.log.epoch, offset))
        assert resumption.is_whole == (offset >= LAST_GONE)
        sink = MemorySink()
        here.follow(sink, offset)
        await wait_all_tasks_blocked()
        check_tiles(seen(sink), offset, 9)
        facts = [one.offset for one in seen(sink) if one.event_type != "gap"]
        assert facts == [place for place in DISCRETE if place > offset]
        assert {one.data["reason"] for one in seen(sink) if isinstance(one.data, dict) and "reason" in one.data} <= {
            "compacted"
        }


async def test_one_who_lags_while_it_is_compacted_is_told_of_the_holes() -> None:
    async with scene() as here:
        sink = MemorySink(room=0)
        here.follow(sink, 0)
        await here.end_task()
        await wait_all_tasks_blocked()
        await here.compactor.round(LATER)
        sink.let_through(None)
        await wait_all_tasks_blocked()
        check_tiles(seen(sink), 0, 9)


async def test_a_reader_inside_the_engine_is_told_too() -> None:
    async with scene() as here:
        await here.end_task()
        await here.compactor.round(LATER)
        reader = Reader(here.channels)
        reader.add(KEY, here.log.replay())
        told = await reader.read()
        kinds = [(event.event_type, event.offset) for event in told]
        assert kinds == [("task.started", 1), ("gap", 4), ("weather", 5), ("gap", 8), ("task.completed", 9)]


async def test_it_stays_so_over_a_restart_and_is_not_compacted_again() -> None:
    store = MemoryStore()
    async with scene(store) as here:
        await here.end_task()
        await here.compactor.round(LATER)
        before = await here.snapshots.take(KEY)
    async with scene(store) as here:
        assert here.log.first == 1
        assert here.log.resume(Position(here.log.epoch, 3)) == Resumption(3, None, holes=True)
        assert here.log.gap_of(Resumption(3, None, holes=True)) == Gap(here.log.epoch, 4, LAST_GONE, "compacted")
        assert await here.snapshots.take(KEY) == before
        commits = store.commits
        await here.compactor.round(LATER)
        assert store.commits == commits


async def test_what_the_store_refuses_is_compacted_in_a_later_round(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        await here.end_task()
        here.store.fail("disk full")
        await here.compactor.round(LATER)
        assert len(here.store.events(KEY)) == 9
        here.store.recover()
        await trio.sleep(5)
        await here.compactor.round(LATER)
        assert [event.offset for event in here.store.events(KEY)] == DISCRETE


async def test_a_task_that_goes_on_and_one_without_passing_events_stay_whole() -> None:
    async with scene() as here:
        await here.channels.publish(KEY, *EMITTED)
        short = ChannelKey("task", "task-2", "alice")
        await here.channels.publish(short, draft("task.started", {}), draft("task.completed", {}))
        await here.compactor.round(LATER)
        assert len(here.store.events(KEY)) == 8
        assert len(here.store.events(short)) == 2
        assert await here.store.records("snapshot") == []


async def test_a_task_that_is_forgotten_meanwhile_leaves_nothing() -> None:
    async with scene() as here:
        await here.end_task()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.compactor.round, LATER)
            here.channels.forget(KEY)
        await wait_all_tasks_blocked()
        assert here.store.events(KEY) == []
        assert await here.store.records("snapshot") == []


async def test_the_actor_makes_its_rounds(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        here.compactor = Compactor(here.channels, here.snapshots, here.journal, CompactorOptions(0.0))
        await here.nursery.start(here.compactor.run)
        await here.end_task()
        await trio.sleep(1.5)
        assert [event.offset for event in here.store.events(KEY)] == DISCRETE
