"""Something is taken back while others' words are on their way into a conversation, and the engine falls: in its next
life they join it once."""

from __future__ import annotations

import pytest
import trio

from actors.agent import Result, TaskContext, resumable
from actors.commands import CreateSession, Say
from actors.event import ChannelKey, draft
from actors.journal import JournalOptions
from actors.redaction import TaskRedaction
from actors.sessions import SessionsOptions
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, Limits, World

NOISE = ChannelKey("app", "noise")
MOMENTS = [step / 4 for step in range(26)]


@resumable
async def steady(task: TaskContext) -> Result:
    await trio.sleep(1)
    return Result(f"to {task.prompt}")


async def noise(world: World) -> None:
    """Whoever has something to keep waits for room."""
    while True:
        await world.channels.emit(NOISE, draft("noise", 1))


@pytest.mark.parametrize("messages", [3, 100])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_words_join_once(autojump_clock: trio.abc.Clock, moment: float, messages: int) -> None:
    limits = Limits(journal=JournalOptions(waiting=1, batch=1), sessions=SessionsOptions(messages=messages))
    store = MemoryStore()
    async with life(store, {"steady": steady}, limits) as world:
        session = await world.router.open_session(ALICE, CreateSession(agent="steady", key="k"))
        first = await world.router.say(ALICE, Say(session_id=session.id, content="first"))
        await world.tasks.wait_quiet()
        await trio.sleep(1)
        store.slow_down(0.3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(noise, world)
            nursery.start_soon(noise, world)
            second = await world.router.say(ALICE, Say(session_id=session.id, content="second"))
            await trio.sleep(moment)
            images = store.watch_commits()
            session.redact(TaskRedaction(first.exec_id, asked=True))
            await trio.sleep(1.5)
            nursery.cancel_scope.cancel()
    for image in images:
        async with life(image, {"steady": steady}, limits) as world:
            await trio.sleep(9)
            found = world.sessions.messages(ALICE, session.id, 0, 9).messages
            said = [one.content for one in found if one.task_id == second.exec_id]
            assert said == ["second", "to second"]
            assert len(found) == min(4, messages)
            assert len(await image.records("message")) == len(found)
