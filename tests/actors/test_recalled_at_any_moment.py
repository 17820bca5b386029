"""A conversation's words are taken back while they are being said, over a store that is slow: whenever that is, they
are nowhere in it afterwards, and in no later life of the engine."""

from __future__ import annotations

import pytest
import trio

from actors.commands import CreateSession, Say, TaskQuery
from actors.event import ChannelKey, draft
from actors.feeds import Feeds
from actors.journal import JournalOptions
from actors.redaction import TaskRedaction
from actors.redactor import Redactor
from actors.session import Session
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.remote import RemoteAgent, completed, message
from tests.support.restart import life
from tests.support.world import ALICE, Limits, NurserySpawner, World

NOISE = ChannelKey("app", "noise")
FULL = Limits(journal=JournalOptions(waiting=1, batch=1))
MOMENTS = [step / 10 for step in range(100)]


async def noise(world: World) -> None:
    """Others want to have something kept, too: whoever waits for room may be overtaken."""
    while True:
        await world.channels.emit(NOISE, draft("noise", 1))


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


@pytest.mark.parametrize("moment", MOMENTS)
async def test_of_an_agent_in_the_engine(autojump_clock: trio.abc.Clock, moment: float) -> None:
    store = MemoryStore(seconds=0.3)
    async with life(store, AGENTS, FULL) as world:
        session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
        with trio.CancelScope() as others:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(noise, world)
                nursery.start_soon(noise, world)
                said = await world.router.say(ALICE, Say(session_id=session.id, content="xyzzy"))
                await recall(world, session, said.exec_id, moment)
                await world.tasks.wait_quiet()
                others.cancel()
        await world.channels.keeper.keep()
    await check_later_life(store)
