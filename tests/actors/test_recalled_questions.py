"""A question that is taken back while it is on its way to the store: its words are not in it, though it stays open."""

from __future__ import annotations

import msgspec
import pytest
import trio

from actors.agent import Result, TaskContext
from actors.commands import ConfirmStep, CreateSession, Say
from actors.errors import CallboardError
from actors.event import ChannelKey, draft
from actors.feeds import Feeds
from actors.kept_questions import QUESTION_RECORDS, KeptQuestion
from actors.redaction import TaskRedaction
from actors.redactor import Redactor
from actors.session import Session
from tests.support.memory_store import MemoryStore
from tests.support.remote import RemoteAgent
from tests.support.restart import life
from tests.support.world import ALICE, Limits, NurserySpawner, World

PATIENT = Limits(confirm_seconds=1_000)
NOISE = ChannelKey("app", "noise")
QUESTION = draft("step.confirm", {"step_id": "s1", "reason": "xyzzy"})
MOMENTS = [step / 4 for step in range(30)]


async def asking(task: TaskContext) -> Result:
    return Result("yes" if await task.confirm("s1", "May I xyzzy?") else "no")


async def claimed(world: World) -> tuple[RemoteAgent, Session, str]:
    """An agent elsewhere, and its task in a conversation."""
    far = await RemoteAgent.register(world)
    session = await world.router.open_session(ALICE, CreateSession(agent="far", key="k"))
    said = await world.router.say(ALICE, Say(session_id=session.id, content="go"))
    await trio.sleep(5)
    await far.claim(said.exec_id)
    return far, session, said.exec_id


async def recall(world: World, session: Session, task_id: str) -> None:
    redactor = Redactor(world.router, Feeds(NurserySpawner(world.nursery), world.channels))
    await redactor.redact(session, TaskRedaction(task_id, asked=True))


async def check(world: World, store: MemoryStore, task_id: str) -> None:
    """The question is open, with its place, and says nothing."""
    await trio.sleep(10)
    assert not store.holds(b"xyzzy")
    ((_, body),) = await store.records(QUESTION_RECORDS)
    key = ChannelKey("task", task_id, ALICE.user_id)
    offset = msgspec.json.decode(body, type=KeptQuestion).offset
    assert [event.offset for event in store.events(key) if event.event_type == "step.confirm"] == [offset]
    assert [question.offset for question in world.router.open_questions(key)] == [offset]
    await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", approved=True))


@pytest.mark.parametrize("moment", MOMENTS)
async def test_of_an_agent_in_the_engine(autojump_clock: trio.abc.Clock, moment: float) -> None:
    store = MemoryStore(seconds=1)
    async with life(store, {"asking": asking}, PATIENT) as world:
        session = await world.router.open_session(ALICE, CreateSession(agent="asking", key="k"))
        said = await world.router.say(ALICE, Say(session_id=session.id, content="go"))
        await trio.sleep(moment)
        await recall(world, session, said.exec_id)
        await check(world, store, said.exec_id)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_of_an_agent_elsewhere(autojump_clock: trio.abc.Clock, moment: float) -> None:
    store = MemoryStore(seconds=1)
    async with life(store, {}, PATIENT) as world:
        far, session, task_id = await claimed(world)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(far.post, task_id, QUESTION)
            await trio.sleep(moment)
            await recall(world, session, task_id)
        await check(world, store, task_id)


async def test_a_place_that_it_was_given_and_did_not_get(autojump_clock: trio.abc.Clock) -> None:
    """What was ahead of it is refused when the store fails."""
    store = MemoryStore(seconds=1)
    async with life(store, {}, PATIENT) as world:
        far, session, task_id = await claimed(world)

        async def ask() -> None:
            with pytest.raises(CallboardError, match="disk full"):
                await far.post(task_id, QUESTION)

        async with trio.open_nursery() as nursery:
            await world.channels.hand_over(NOISE, draft("noise", 1))
            await trio.sleep(0.5)
            refused = await world.channels.hand_over(
                ChannelKey("task", task_id, ALICE.user_id), draft("step.progress", {"step_id": "s0"})
            )
            nursery.start_soon(ask)
            await trio.sleep(1)
            # Both are being committed.
            store.fail("disk full")
            await recall(world, session, task_id)
        with pytest.raises(CallboardError, match="disk full"):
            await refused.wait()
        store.recover()
        await check(world, store, task_id)
