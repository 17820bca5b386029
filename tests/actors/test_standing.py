"""How far a client was sent a channel that it follows whole: the mark, and the topics that stand before it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import connection as connection_module
from actors import pace as pace_module
from actors.admission import WHOLE, Admission
from actors.commands import Start
from actors.connection import Connection
from actors.event import ChannelKey
from actors.outbox import OutboxOptions
from actors.pace import Pace
from actors.position import Position
from actors.retention import Retention
from tests.support.drafts import fact
from tests.support.world import ALICE, BOB, Limits, MemorySink, World

SMALL = Limits(outbox=OutboxOptions(batch_bytes=1), retention={"app": Retention(events=2, seconds=1e12)})


@pytest.fixture(autouse=True)
def time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No walk is ever long, however busy the machine is."""
    monkeypatch.setattr(pace_module, "Pace", lambda: Pace(lambda: 0.0))


def app(topic: str) -> ChannelKey:
    return ChannelKey("app", topic)


async def mark_of(connection: Connection) -> dict[str, int]:
    return {each.key.topic: each.start.offset for each in await connection.standing("app")}


async def resumed(world: World, channel: str, starts: dict[str, Start]) -> tuple[dict[str, Admission], list[str]]:
    """What ALICE is told when she comes back so, and what she gets."""
    connection, sink = world.connect(ALICE)
    admissions = connection.admit(channel, starts, everything=True)
    assert connection.enter(channel, admissions, everything=True) is None
    await wait_all_tasks_blocked()
    return {each.key.topic: each for each in admissions}, sink.lines


async def test_who_keeps_up_stands_at_the_mark(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        connection, _ = world.connect(ALICE)
        world.watch(connection, "app")
        await world.channels.publish(app("a"), fact(1), fact(2))
        assert await mark_of(connection) == {WHOLE: 2}
        nursery.cancel_scope.cancel()


async def test_what_lags_is_named_also_where_it_is_forgotten_or_has_a_gap(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {}, SMALL)
        connection, sink = world.connect(ALICE, MemorySink(0))
        world.watch(connection, "app")
        # The first is what the socket did not take. It is on its way.
        for topic in ("on its way", "lags", "gone", "lags", "lags", "lags"):
            await world.channels.publish(app(topic), fact(1))
        world.channels.forget(app("gone"))
        assert await mark_of(connection) == {WHOLE: 6, "lags": 0, "gone": 0}
        sink.let_through(None)
        await wait_all_tasks_blocked()
        assert await mark_of(connection) == {WHOLE: 6}
        nursery.cancel_scope.cancel()


async def test_a_gap_that_is_yet_to_be_told_is_before_the_place(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {}, SMALL)
        last = await world.channels.publish(app("t"), *map(fact, range(5)))
        connection, _ = world.connect(ALICE, MemorySink(0))
        connection.outbox.put_nowait(b"on its way")
        starts: dict[str, Start] = {"t": Position(last.epoch, 1)}
        admissions = connection.admit("app", starts, everything=True)
        connection.enter("app", admissions, everything=True)
        assert await mark_of(connection) == {WHOLE: 5, "t": 1}
        nursery.cancel_scope.cancel()


async def test_too_many_that_lag_are_not_named(autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "_MOST_BEHIND", 2)
    async with trio.open_nursery() as nursery:
        world = World(nursery, {}, SMALL)
        connection, sink = world.connect(ALICE, MemorySink(0))
        world.watch(connection, "app")
        for topic in ("on its way", "a", "b", "c"):
            await world.channels.publish(app(topic), fact(1))
        assert await mark_of(connection) == {}
        sink.let_through(None)
        await wait_all_tasks_blocked()
        assert await mark_of(connection) == {WHOLE: 4}
        nursery.cancel_scope.cancel()


async def test_a_session_that_is_gone_is_a_gap_but_for_who_saw_its_end(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        before = world.channels.marks.now
        ends: dict[str, Start] = {}
        for owner in (ALICE, ALICE, BOB):
            # The channel alone decides here: a session's topic without the session is one that is gone.
            key = ChannelKey("session", f"s{len(ends)}", owner.user_id)
            ends[key.topic] = await world.channels.publish(key, fact(1))
            world.channels.forget(key)
        told, lines = await resumed(world, "session", {WHOLE: before})
        assert not told[WHOLE].recovered
        assert lines == ['1-1 gap {"from":1,"to":1,"reason":"gone"}'] * 2
        told, lines = await resumed(world, "session", {WHOLE: before, **ends})
        assert {topic: each.recovered for topic, each in told.items()} == {"s0": True, "s1": True, WHOLE: True}
        assert lines == []
        nursery.cancel_scope.cancel()


async def test_a_mark_of_another_life_is_a_gap_and_all_of_this_one_follows(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        await world.channels.publish(app("a"), fact(1))
        told, lines = await resumed(world, "app", {WHOLE: Position("former", 700)})
        assert not told[WHOLE].recovered
        assert lines == ['0-0 gap {"from":1,"to":0,"reason":"epoch"}', "1-1 fact 1"]
        now = world.channels.marks.now
        told, lines = await resumed(world, "app", {WHOLE: Position(now.epoch, 700)})
        assert lines == ['1-1 gap {"from":2,"to":700,"reason":"future"}']
        nursery.cancel_scope.cancel()


async def test_a_second_subscription_goes_back_and_never_forward(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        marks = [world.channels.marks.now]
        for number in (1, 2):
            await world.channels.publish(app("a"), fact(number))
            marks.append(world.channels.marks.now)
        connection, sink = world.connect(ALICE)
        for mark in (marks[1], marks[0], marks[2]):
            connection.enter("app", connection.admit("app", {WHOLE: mark}, everything=True), everything=True)
            await wait_all_tasks_blocked()
        assert sink.lines == ["2-2 fact 2", "1-1 fact 1", "2-2 fact 2"]
        nursery.cancel_scope.cancel()
