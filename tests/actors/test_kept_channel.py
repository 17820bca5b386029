"""A topic that is kept: nobody sees what the store does not have, and everybody gets what it has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.dynamic_supervisor import DynamicSupervisor
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Event, draft
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.outbox import Outbox, OutboxOptions
from actors.redaction import Drop
from actors.report import Report
from actors.retention import Retention
from actors.spawner import Spawner
from actors.subscription import Subscription
from tests.support.memory_store import MemoryStore
from tests.support.world import Lines, MemorySink, NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")


class Scene:
    def __init__(
        self, nursery: trio.Nursery, store: MemoryStore, *, in_place: int = 32, spawner: Spawner | None = None
    ) -> None:
        self.store = store
        self.nursery = nursery
        self.journal = Journal(store, JournalOptions())
        keeping = Keeping(self.journal, store, lambda key: key.channel == "task", Retention())
        options = ChannelsOptions(in_place=in_place, idle_seconds=1)
        self.channels = Channels(spawner or NurserySpawner(nursery), {}, options, keeping)
        self.encoder = Lines()

    def follow(self, sink: MemorySink) -> Subscription:
        outbox = Outbox(sink, self.nursery.start_soon, OutboxOptions())
        return self.channels.subscribe(KEY, outbox, self.encoder, self.channels.resume(KEY, None))


@asynccontextmanager
async def scene(store: MemoryStore | None = None, *, in_place: int = 32) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, store or MemoryStore(), in_place=in_place)
        await nursery.start(here.journal.run)
        yield here
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("in_place", [32, -1])
async def test_is_delivered_once_it_is_kept(autojump_clock: trio.abc.Clock, in_place: int) -> None:
    sink = MemorySink()
    async with scene(MemoryStore(seconds=1), in_place=in_place) as here:
        here.follow(sink)
        await here.channels.emit(KEY, draft("word", "a"))
        await trio.sleep(0.9)
        assert sink.lines == []
        position = await here.channels.publish(KEY, draft("word", "b"))
        await wait_all_tasks_blocked()
        assert position.offset == 2
        assert sink.lines == ['1-1 word "a"', '2-2 word "b"']
        assert [event.data for event in here.store.events(KEY)] == ["a", "b"]


@pytest.mark.parametrize("in_place", [32, -1])
async def test_a_store_that_fails_refuses_publishers_and_shows_nobody_anything(
    autojump_clock: trio.abc.Clock, in_place: int
) -> None:
    sink = MemorySink()
    async with scene(in_place=in_place) as here:
        here.follow(sink)
        here.store.fail("disk full")
        await here.channels.emit(KEY, draft("word", "the agent's"))
        with pytest.raises(CallboardError, match="disk full") as refusal:
            await here.channels.publish(KEY, draft("word", "a client's"))
        assert refusal.value.code is ErrorCode.UNAVAILABLE
        assert sink.lines == []
        here.store.recover()
        await trio.sleep(5)
        await here.channels.publish(KEY, draft("word", "again"))
        await wait_all_tasks_blocked()
        assert sink.lines == ['1-1 word "the agent\'s"', '2-2 word "again"']


async def test_a_large_audience_is_served_by_the_actor_and_misses_nothing(autojump_clock: trio.abc.Clock) -> None:
    sinks = [MemorySink() for _ in range(600)]
    async with scene() as here:
        for sink in sinks:
            here.follow(sink)
        for number in range(20):
            await here.channels.emit(KEY, draft("word", number))
            if number % 3 == 0:
                await wait_all_tasks_blocked()
        await wait_all_tasks_blocked()
        assert {tuple(sink.lines) for sink in sinks} == {tuple(f"{n + 1}-{n + 1} word {n}" for n in range(20))}


async def test_what_waits_to_be_kept_keeps_the_topic_in_use(autojump_clock: trio.abc.Clock) -> None:
    async with scene(MemoryStore(seconds=10)) as here:
        await here.channels.emit(KEY, draft("word", "a"))
        await trio.sleep(5)
        await here.channels.sweep.run()
        assert here.channels.statistics().live == 1
        await trio.sleep(10)
        await here.channels.sweep.run()
        assert here.channels.statistics().live == 0
        assert here.channels.log(KEY).tail == 1


async def test_an_idle_actor_gives_its_task_up_and_gets_one_again(autojump_clock: trio.abc.Clock) -> None:
    sink = MemorySink()
    async with scene(in_place=-1) as here:
        here.follow(sink)
        for number in range(3):
            await here.channels.publish(KEY, draft("word", number))
            await trio.sleep(2)
            await here.channels.sweep.run()
            await wait_all_tasks_blocked()
            # The journal's task alone is left.
            assert len(here.nursery.child_tasks) == 1
        assert len(sink.lines) == 3


async def test_what_is_taken_back_is_gone_also_from_the_store(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        await here.channels.publish(KEY, draft("word", "secret"), draft("word", "plain"))
        await here.channels.emit(KEY, draft("word", "secret"))
        await here.channels.redact(KEY, Drop(lambda event: event.data == "secret"))
        await here.channels.publish(KEY, draft("word", "later"))
        kept = [(event.event_type, event.data) for event in here.store.events(KEY)]
        assert kept == [("redacted", {}), ("word", "plain"), ("redacted", {}), ("word", "later")]


async def test_a_topic_that_is_forgotten_takes_no_more(autojump_clock: trio.abc.Clock) -> None:
    async with scene(MemoryStore(seconds=1)) as here:
        await here.channels.emit(KEY, draft("word", "a"))
        here.channels.forget(KEY)
        await trio.sleep(5)
        position = await here.channels.publish(KEY, draft("word", "anew"))
        assert position.offset == 1
        assert [event.data for event in here.store.events(KEY)] == ["anew"]


class Reports:
    def report(self, report: Report, /) -> None:
        """The crash is meant."""


class CrashingOnce(Lines):
    def __init__(self) -> None:
        self.crashes = False

    def encode(self, event: Event) -> bytes:
        if self.crashes:
            self.crashes = False
            raise RuntimeError("a defect of the encoder")
        return super().encode(event)


async def test_what_a_crash_in_place_kept_from_the_readers_comes_with_the_restart(
    autojump_clock: trio.abc.Clock,
) -> None:
    supervisor = DynamicSupervisor("channels", reporter=Reports(), max_children=10)
    sink = MemorySink()
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore(), spawner=supervisor)
        here.encoder = encoder = CrashingOnce()
        await nursery.start(here.journal.run)
        await nursery.start(supervisor.run)
        here.follow(sink)
        for number in range(3):
            # The first time the actor has no task yet, then it waits for news.
            encoder.crashes = True
            await here.channels.publish(KEY, draft("word", number))
            await trio.sleep(1)
            assert sink.lines == [f"{n + 1}-{n + 1} word {n}" for n in range(number + 1)]
        nursery.cancel_scope.cancel()


async def test_who_emits_without_a_pause_lets_others_have_their_turn() -> None:
    turns = 0

    async def spin() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with scene() as here:
        here.nursery.start_soon(spin)
        await trio.lowlevel.checkpoint()
        turns = 0
        for number in range(100):
            await here.channels.emit(KEY, draft("word", number))
        assert turns >= 45


async def test_who_is_cancelled_emits_nothing_more() -> None:
    async with scene() as here:
        with trio.CancelScope() as scope:
            await here.channels.emit(KEY, draft("word", "a"))
            scope.cancel()
            await here.channels.emit(KEY, draft("word", "b"))
        assert scope.cancelled_caught
        await here.journal.keep()
        assert [event.data for event in here.store.events(KEY)] == ["a"]
