from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import CancelTask, CreateSession, CreateTask, TaskState
from actors.errors import CallboardError, ErrorCode
from tests.support.agents import AGENTS
from tests.support.drafts import read_back
from tests.support.remote import RemoteAgent, completed, message
from tests.support.world import ALICE, World


async def session_in_use(world: World) -> tuple[str, str]:
    """A conversation in which a task has its turn: their ids."""
    session_id = (await world.router.create_session(ALICE, CreateSession())).id
    command = CreateTask(agent="forever", prompt="first", session_id=session_id)
    task_id = (await world.router.create_task(ALICE, command)).id
    await wait_all_tasks_blocked()
    return session_id, task_id


async def test_it_is_announced_at_its_turn_with_the_conversation(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        far = await RemoteAgent.register(world)
        session_id, first = await session_in_use(world)
        connection, sink = world.connect(ALICE)
        world.watch(connection, "session", session_id)
        task_id = await far.is_given("second", session_id)
        await wait_all_tasks_blocked()
        assert far.heard == []
        with pytest.raises(CallboardError, match="turn in the conversation") as refused:
            await far.claim(task_id)
        assert refused.value.code is ErrorCode.CONFLICT
        await world.router.command_task(ALICE, CancelTask(first))
        await wait_all_tasks_blocked()
        assert far.heard == ["task.available"]
        receipt = await far.claim(task_id)
        assert [one.content for one in receipt.history] == ["first", "begun "]
        await far.post(task_id, message("an"), message("swer"))
        await far.post(task_id, completed("answer"))
        await wait_all_tasks_blocked()
        page = world.sessions.messages(ALICE, session_id, 2, 10)
        assert [(one.role, one.content) for one in page.messages] == [("user", "second"), ("assistant", "answer")]
        told = [read_back(line) for line in sink.lines]
        assert [one.data for one in told if one.event_type == "output"][-2:] == [
            {"exec_id": task_id, "content": "an"},
            {"exec_id": task_id, "content": "swer"},
        ]
        assert told[-1].data == {"exec_id": task_id, "state": "completed"}
        nursery.cancel_scope.cancel()


async def test_cancelled_while_it_waits_for_its_turn(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        far = await RemoteAgent.register(world)
        session_id, first = await session_in_use(world)
        task_id = await far.is_given("second", session_id)
        await wait_all_tasks_blocked()
        receipt = await world.router.command_task(ALICE, CancelTask(task_id))
        assert receipt.task.state is TaskState.CANCELLED
        await world.router.command_task(ALICE, CancelTask(first))
        await wait_all_tasks_blocked()
        assert far.heard == [], "nobody had heard of it"
        assert world.sessions.find(ALICE, session_id).is_idle
        nursery.cancel_scope.cancel()


async def test_what_was_streamed_before_a_cancellation_stays(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        far = await RemoteAgent.register(world)
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        task_id = await far.is_given("hi", session_id)
        await wait_all_tasks_blocked()
        await far.claim(task_id)
        await far.post(task_id, message("half an ans"))
        await world.router.command_task(ALICE, CancelTask(task_id))
        await trio.sleep(10)
        page = world.sessions.messages(ALICE, session_id, 0, 10)
        assert [one.content for one in page.messages] == ["hi", "half an ans"]
        nursery.cancel_scope.cancel()
