"""A conversation's words are taken back while they are being said, over a store that is slow: whenever that is, they
are nowhere in it afterwards, and in no later life of the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.commands import AppendTurn, CreateSession, Say, TaskQuery
from actors.event import ChannelKey, Event, draft
from actors.feeds import Feeds
from actors.journal import JournalOptions
from actors.reader import Reader
from actors.redaction import TaskRedaction
from actors.redactor import Redactor
from actors.session import Session
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.remote import RemoteAgent, completed, message
from tests.support.restart import life
from tests.support.world import ALICE, OPERATOR, Limits, NurserySpawner, World

NOISE = ChannelKey("app", "noise")
FULL = Limits(journal=JournalOptions(waiting=1, batch=1), tasks=TasksOptions(ask_seconds=1e6))
MOMENTS = [step / 10 for step in range(100)]


async def noise(world: World) -> None:
    """Others want to have something kept, too: whoever waits for room may be overtaken."""
    while True:
        await world.channels.emit(NOISE, draft("noise", 1))


async def told(world: World, key: ChannelKey, event_type: str) -> Event:
    """The first event of that type."""
    reader = Reader(world.channels)
    reader.add(key, world.channels.log(key).replay())
    while True:
        for event in await reader.read():
            if event.event_type == event_type:
                reader.close()
                return event


async def recall(world: World, session: Session, task_id: str, at: float) -> None:
    await trio.sleep(at)
    redactor = Redactor(world.router, Feeds(NurserySpawner(world.nursery), world.channels))
    await redactor.redact(session, TaskRedaction(task_id, asked=True))


async def check_later_life(store: MemoryStore) -> None:
    assert not store.holds(b"xyzzy")
    async with life(store) as world:
        await trio.sleep(9)
        for view in world.tasks.page(ALICE, TaskQuery()).tasks:
            assert (view.prompt, view.result) == ("", None)
        for session in world.sessions.page(ALICE, None, 9).sessions:
            assert not [one for one in world.sessions.messages(ALICE, session.id, 0, 9).messages if one.content]
    assert not store.holds(b"xyzzy")


@asynccontextmanager
async def busy(store: MemoryStore) -> AsyncIterator[World]:
    """A life in which the journal is full."""
    async with life(store, AGENTS, FULL) as world:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(noise, world)
            nursery.start_soon(noise, world)
            yield world
            nursery.cancel_scope.cancel()
        await world.channels.keeper.keep()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_of_an_agent_in_the_engine(autojump_clock: trio.abc.Clock, moment: float) -> None:
    store = MemoryStore(seconds=0.3)
    async with busy(store) as world:
        session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
        said = await world.router.say(ALICE, Say(session_id=session.id, content="xyzzy"))
        await recall(world, session, said.exec_id, moment)
        await world.tasks.wait_quiet()
    await check_later_life(store)


async def test_as_soon_as_it_is_told(autojump_clock: trio.abc.Clock) -> None:
    """Whoever reads it can take it back before its task has taken a step."""
    store = MemoryStore(seconds=0.3)
    async with busy(store) as world:
        session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.router.say, ALICE, Say(session_id=session.id, content="xyzzy"))
            asked = await told(world, session.key, "chat.message")
            assert isinstance(asked.data, dict)
            await recall(world, session, str(asked.data["exec_id"]), 0)
        await world.tasks.wait_quiet()
    await check_later_life(store)


@pytest.mark.parametrize("moment", MOMENTS[::2])
async def test_of_an_agent_elsewhere(autojump_clock: trio.abc.Clock, moment: float) -> None:
    store = MemoryStore(seconds=0.3)
    async with busy(store) as world:
        far = await RemoteAgent.register(world)
        session = await world.router.open_session(ALICE, CreateSession(agent="far", key="k"))
        said = await world.router.say(ALICE, Say(session_id=session.id, content="xyzzy"))

        async def work() -> None:
            await told(world, ChannelKey("agent", "far", OPERATOR.user_id), "task.available")
            await far.claim(said.exec_id)
            await world.router.command_task(ALICE, AppendTurn(said.exec_id, "and xyzzy"))
            await far.post(said.exec_id, message("xyzzy "), message("xyzzy"), key="1")
            await far.post(said.exec_id, completed("xyzzy"), key="2")
            await far.post(said.exec_id, message("xyzzy"), completed(), key="3")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            await recall(world, session, said.exec_id, moment)
        await world.tasks.wait_quiet()
    await check_later_life(store)
