"""A feed that is kept: whenever the engine is killed, each event of its sources is taken in once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.errors import CallboardError
from actors.event import ChannelKey, Draft, Event, draft
from actors.position import Position
from actors.projection import NothingHeldBack, NothingRemembered, Projection, RebuiltFromTasks
from actors.redaction import REDACTED, TaskRedaction
from actors.resumption import Resumption
from actors.retention import Retention
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore

FEED = ChannelKey("feed", "all", "alice")
NEWS = ChannelKey("system", "news", "alice")
TASKS = [ChannelKey("task", f"t{number}", "alice") for number in range(3)]
ALL = Retention(events=100_000)


class Told:
    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        return lambda event: redaction.task_id in str(event.data)


class Echo(Told, NothingHeldBack, NothingRemembered):
    """Says of each event where it came from."""

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        return (draft("seen", [event.key.topic, event.offset]),)


class Counts(Told, NothingHeldBack, RebuiltFromTasks):
    """Says how many events it has seen of the task, and knows it from the task's topic alone."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        topic = event.key.topic
        self.counts[topic] = self.counts.get(topic, 0) + 1
        return (draft("seen", [topic, self.counts[topic]]),)


class Sum(Told):
    """Says after ten seconds what all events came to, and dumps how far it has come."""

    def __init__(self) -> None:
        self.due = math.inf
        self.total = 0
        self._changed = False

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        self.total += 1
        self._changed = True
        if event.offset % 4 == 0:
            return (draft("fourth", event.offset),)
        self.due = min(self.due, now + 10)
        return ()

    def flush(self, now: float) -> Sequence[Draft]:
        self.due = math.inf
        return (draft("total", self.total),)

    def dump(self) -> Mapping[str, bytes | None]:
        changed, self._changed = self._changed, False
        return {"total": msgspec.msgpack.encode((self.total, self.due < math.inf))} if changed else {}

    def load(self, parts: Mapping[str, bytes]) -> None:
        if "total" in parts:
            self.total, held = msgspec.msgpack.decode(parts["total"], type=tuple[int, bool])
            self.due = 0.0 if held else math.inf

    def is_rebuilt_from(self, source: ChannelKey) -> bool:
        return False


def follow(core: KeptCore, make: Callable[[], Projection] = Echo, retention: Retention = ALL) -> None:
    feed = core.feeds.open(FEED, retention, make)
    feed.add(NEWS, core.channels.resume(NEWS, None))
    core.feeds.follow(feed, "task", "alice")


def said(store: MemoryStore) -> list[object]:
    return [event.data for event in store.events(FEED)]


def fact(number: int) -> Draft:
    return draft("fact", number)


steps = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 9), st.sampled_from(["", "", "end", "wait", "kill"])), max_size=14
)


@pytest.mark.parametrize("make", [Echo, Counts])
@given(steps=steps, delays=st.lists(st.floats(0, 2), min_size=3, max_size=3))
def test_each_event_is_taken_in_once_whenever_it_is_killed(
    make: Callable[[], Projection], steps: list[tuple[int, int, str]], delays: list[float]
) -> None:
    taken = iter(range(1 << 30))
    store = MemoryStore(pause=lambda: delays[next(taken) % 3])
    rest = list(steps)
    over: set[ChannelKey] = set()

    async def live() -> None:
        async with kept_core(store) as core:
            follow(core, make)
            while rest:
                which, count, then = rest.pop(0)
                key = NEWS if which == 3 else TASKS[which]
                if key in over:
                    continue
                await core.channels.emit(key, *map(fact, range(count)))
                if then == "end" and key is not NEWS:
                    over.add(key)
                    await core.channels.publish(key, draft("task.completed", {}))
                elif then == "wait":
                    await trio.sleep(1.5)
                elif then == "kill":
                    return
            await trio.sleep(60)

    async def all_lives() -> None:
        while rest:
            await live()
        await live()
        seen: dict[str, list[int]] = {}
        for topic, number in msgspec.convert(said(store), list[tuple[str, int]]):
            seen.setdefault(topic, []).append(number)
        if make is Counts:
            # Of a topic that is no task the state is not rebuilt.
            seen.pop(NEWS.topic, None)
        for key in TASKS if make is Counts else (*TASKS, NEWS):
            assert seen.get(key.topic, []) == [event.offset for event in store.events(key)]

    trio.run(all_lives, clock=MockClock(autojump_threshold=0))


@given(bursts=st.lists(st.tuples(st.integers(1, 5), st.floats(0, 25)), min_size=1, max_size=6))
def test_what_was_held_back_at_a_kill_is_said_and_counted_once(bursts: list[tuple[int, float]]) -> None:
    store = MemoryStore(seconds=0.5)

    async def all_lives() -> None:
        for count, seconds in bursts:
            async with kept_core(store) as core:
                follow(core, Sum)
                await core.channels.publish(NEWS, *map(fact, range(count)))
                await trio.sleep(seconds)
        async with kept_core(store) as core:
            follow(core, Sum)
            await trio.sleep(60)
        kept = len(store.events(NEWS))
        totals = [event.data for event in store.events(FEED) if event.event_type == "total"]
        fourths = [event.data for event in store.events(FEED) if event.event_type == "fourth"]
        assert fourths == list(range(4, kept + 1, 4))
        if kept % 4:
            assert totals[-1:] == [kept]

    trio.run(all_lives, clock=MockClock(autojump_threshold=0))


async def test_a_restart_keeps_the_positions_of_a_feed(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        follow(core)
        await core.channels.publish(TASKS[0], fact(1), fact(2))
        await wait_all_tasks_blocked()
        at = core.channels.log(FEED).position
        assert at.offset == 2
    async with kept_core(store) as core:
        follow(core)
        await core.channels.publish(TASKS[1], fact(1))
        await wait_all_tasks_blocked()
        assert core.channels.resume(FEED, at) == Resumption(2, None)
        assert core.channels.log(FEED).position == Position(at.epoch, 3)
        assert said(store)[2:] == [["t1", 1]]


async def test_of_what_there_was_before_it_began_a_feed_tells_nothing_also_later(
    autojump_clock: trio.abc.Clock,
) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        await core.channels.publish(TASKS[0], fact(1), draft("task.completed", {}))
        await core.channels.publish(TASKS[1], fact(1))
    async with kept_core(store) as core:
        follow(core)
        await trio.sleep(1)
    async with kept_core(store) as core:
        # While nobody has opened the feed.
        await core.channels.publish(TASKS[1], fact(2))
        await core.channels.publish(TASKS[2], fact(1), draft("task.completed", {}))
    async with kept_core(store) as core:
        follow(core)
        await trio.sleep(1)
        assert sorted(map(str, said(store))) == ["['t1', 2]", "['t2', 1]", "['t2', 2]"]


async def test_one_that_was_given_up_goes_on_where_it_was(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore(seconds=1)
    async with kept_core(store, feeds=1) as core:
        follow(core, Counts)
        await core.channels.emit(TASKS[0], *map(fact, range(30)))
        await trio.sleep(10)
        core.feeds.open(ChannelKey("feed", "all", "bob"), ALL, Echo)
        await core.channels.publish(TASKS[0], fact(31))
        follow(core, Counts)
        await trio.sleep(20)
        assert said(store) == [["t0", number] for number in range(1, 32)]


async def test_no_feed_is_given_up_before_its_audience(autojump_clock: trio.abc.Clock) -> None:
    async with kept_core(MemoryStore(), feeds=1) as core:
        follow(core)
        core.channels.watch(FEED, core.feeds.open(FEED, ALL, Echo).reader)
        with pytest.raises(CallboardError, match="1 feeds are in use"):
            core.feeds.open(ChannelKey("feed", "all", "bob"), ALL, Echo)


async def test_keeps_no_more_events_than_it_is_to(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        follow(core, retention=Retention(events=10))
        for number in range(50):
            await core.channels.publish(NEWS, fact(number))
        await wait_all_tasks_blocked()
        follow(core, retention=Retention(events=10))
        assert core.channels.log(FEED).first == 41
        await trio.sleep(1)
        assert len(said(store)) == 10


async def test_what_is_taken_back_is_gone_from_the_feeds_that_nobody_has_opened(
    autojump_clock: trio.abc.Clock,
) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        follow(core)
        await core.channels.publish(TASKS[0], fact(1))
        await core.channels.publish(TASKS[1], fact(1))
        await trio.sleep(1)
    async with kept_core(store) as core:
        core.feeds.know("all", Echo)
        await core.feeds.redact("alice", TaskRedaction("t0", asked=True))
        await trio.sleep(1)
        assert [event.event_type for event in store.events(FEED)] == [REDACTED, "seen"]


async def test_tokens_of_which_nothing_is_said_cost_no_write(autojump_clock: trio.abc.Clock) -> None:
    class Silent(Told, NothingHeldBack, NothingRemembered):
        def project(self, event: Event, now: float) -> Sequence[Draft]:
            return ()

    store = MemoryStore()
    async with kept_core(store) as core:
        follow(core, Silent)
        await core.channels.publish(TASKS[0], fact(0))
        await trio.sleep(1)
        before = store.commits
        for number in range(100):
            await core.channels.publish(TASKS[0], fact(number))
        await trio.sleep(1)
        assert store.commits == before + 100
        kind = "feed all alice"
        assert [name for name, _ in await store.records(kind) if "t0" in name] == []
        await core.channels.emit(TASKS[0], *map(fact, range(2_000)))
        await trio.sleep(1)
        assert [name for name, _ in await store.records(kind) if "t0" in name] != []


async def test_who_was_there_at_a_kill_has_heard_what_it_was_sent(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        feed = core.feeds.open(FEED, ALL, Echo)
        await feed.ready()
        feed.add(NEWS, Resumption(0, None))
        assert feed.attendance.arrive() == "oldest"
        epoch = core.channels.log(FEED).epoch
        await core.channels.publish(NEWS, fact(1), fact(2))
        await trio.sleep(1)
        feed.attendance.leave(Position(epoch, 2))
        await trio.sleep(1)
    async with kept_core(store) as core:
        feed = core.feeds.open(FEED, ALL, Echo)
        await feed.ready()
        assert feed.attendance.arrive() == Position(epoch, 2)
