"""A channel of very many topics, followed and left in slices: others run in between, and nothing is lost by that."""

from __future__ import annotations

from itertools import count

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors import pace as pace_module
from actors.commands import CreateTask
from actors.connection import Connection
from actors.event import ChannelKey
from actors.pace import Pace, walk
from actors.position import Position
from tests.support.agents import AGENTS
from tests.support.drafts import fact
from tests.support.world import ADMIN, ALICE, MemorySink, World

MANY = 50


@pytest.fixture
def a_pause_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the walks' clock an hour passes with every look at it."""
    hours = map(float, count(0, 3600))
    monkeypatch.setattr(pace_module, "Pace", lambda: Pace(hours.__next__))


def app(number: int) -> ChannelKey:
    return ChannelKey("app", f"t{number}")


def seen(sink: MemorySink) -> list[str]:
    return sorted(line.split(" ")[2] for line in sink.lines)


async def follow(connection: Connection) -> None:
    rest = connection.enter("app", connection.admit("app", {}, everything=True), everything=True)
    assert rest is not None
    await rest


class Scene:
    """A world with many topics, and a client that may see them."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.world = World(nursery, {})
        self.channels = self.world.channels
        for number in range(MANY):
            self.channels.create(app(number))
        self.connection, self.sink = self.world.connect(ADMIN)


async def test_what_is_soon_done_is_done_at_once() -> None:
    done: list[int] = []
    assert walk(range(10), done.append) is None
    assert done == list(range(10))


async def test_what_is_not_goes_on_in_slices(a_pause_each: None) -> None:
    done: list[int] = []
    rest = walk(range(10), done.append)
    assert done == [0]
    assert rest is not None
    await rest
    assert done == list(range(10))


async def test_others_run_between_the_topics(autojump_clock: trio.abc.Clock, a_pause_each: None) -> None:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery)
        at_each_turn: list[int] = []

        async def look() -> None:
            while here.connection.subscriptions < MANY:
                at_each_turn.append(here.connection.subscriptions)
                await trio.lowlevel.checkpoint()

        nursery.start_soon(look)
        await follow(here.connection)
        assert len(at_each_turn) >= MANY - 2
        await here.channels.publish(app(MANY - 1), fact(1))
        await here.channels.publish(app(MANY), fact(2))
        assert seen(here.sink) == ["1", "2"]
        nursery.cancel_scope.cancel()


async def test_what_is_said_before_its_turn_comes_once(autojump_clock: trio.abc.Clock, a_pause_each: None) -> None:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery)
        await here.channels.publish(app(MANY - 1), fact(-1))

        async def talk() -> None:
            for number in (MANY - 1, 1, MANY - 1, MANY - 2, MANY):
                await here.channels.publish(app(number), fact(number))
            here.channels.forget(app(MANY - 3))
            here.channels.forget(app(MANY - 4))
            await here.channels.publish(app(MANY - 4), fact(0))

        nursery.start_soon(talk)
        await follow(here.connection)
        await wait_all_tasks_blocked()
        assert seen(here.sink) == ["0", "1", "48", "49", "49", "50"]
        assert not here.channels.exists(app(MANY - 3)), "to look at it would have brought it back"
        nursery.cancel_scope.cancel()


async def test_who_leaves_meanwhile_is_attached_to_nothing_more(
    autojump_clock: trio.abc.Clock, a_pause_each: None
) -> None:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery)
        nursery.start_soon(follow, here.connection)
        while here.connection.subscriptions < 5:
            await trio.lowlevel.checkpoint()
        here.connection.detach()
        await wait_all_tasks_blocked()
        assert here.connection.subscriptions == 0
        assert (here.channels.statistics().subscriptions, here.channels.statistics().followers) == (0, 0)
        nursery.cancel_scope.cancel()


async def test_a_question_asked_before_its_turn_is_asked_once(
    autojump_clock: trio.abc.Clock, a_pause_each: None
) -> None:
    """One that was open before is asked again; one that is asked meanwhile comes by itself."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        question = CreateTask(agent="asking", prompt="")
        for _ in range(3):
            await world.router.create_task(ALICE, question)
        await wait_all_tasks_blocked()
        connection, sink = world.connect(ALICE)
        rest = connection.enter("task", connection.admit("task", {}, everything=True), everything=True)
        await world.router.create_task(ALICE, question)
        await wait_all_tasks_blocked()
        if rest is not None:
            await rest
        await wait_all_tasks_blocked()
        asked = [line for line in sink.lines if " step.confirm " in line]
        assert len(asked) == 4
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("way", ["leave_channel", "wind_up"])
async def test_leaving_goes_in_slices_too(autojump_clock: trio.abc.Clock, a_pause_each: None, way: str) -> None:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery)
        await follow(here.connection)
        rest = here.connection.leave_channel("app") if way == "leave_channel" else here.connection.wind_up()
        assert rest is not None
        assert here.connection.subscriptions == MANY - 1
        await here.channels.publish(app(MANY), fact(1))
        await rest
        await here.channels.publish(app(3), fact(2))
        assert here.connection.subscriptions == 0
        assert here.channels.statistics().subscriptions == 0
        assert seen(here.sink) == []
        nursery.cancel_scope.cancel()


async def test_a_position_stays_what_it_was_when_the_walk_began(
    autojump_clock: trio.abc.Clock, a_pause_each: None
) -> None:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery)
        last = await here.channels.publish(app(MANY - 1), fact(1))
        rest = here.connection.enter("app", here.connection.admit("app", {}, everything=True), everything=True)
        assert rest is not None
        assert await here.channels.publish(app(MANY - 1), fact(2)) == Position(last.epoch, 2)
        await rest
        await wait_all_tasks_blocked()
        assert here.sink.lines == ["2-2 fact 2"]
        nursery.cancel_scope.cancel()
