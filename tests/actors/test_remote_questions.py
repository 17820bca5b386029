"""What an agent that runs elsewhere asks the user's devices."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import AnswerToolCall, ConfirmStep, Publish
from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, Json, draft, now_ms
from actors.lease import LeaseOptions
from actors.questions import MOST_OPEN, ToolReturned
from actors.retention import Retention
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.drafts import Seen, read_back
from tests.support.remote import RemoteAgent, completed, message
from tests.support.world import ADMIN, ALICE, Limits, World

LIMITS = Limits(tasks=TasksOptions(lease=LeaseOptions(lease_seconds=600.0)), retention={"task": Retention(events=50)})
CALL: dict[str, Json] = {"call_id": "c1", "name": "clipboard", "arguments": {}}


async def given(world: World) -> tuple[RemoteAgent, str]:
    far = await RemoteAgent.register(world)
    task_id = await far.is_given()
    await far.claim(task_id)
    return far, task_id


async def seen(world: World, task_id: str) -> list[Seen]:
    """What somebody who comes now is told."""
    connection, sink = world.connect(ALICE)
    world.watch(connection, "task", task_id, start="live")
    await wait_all_tasks_blocked()
    return [read_back(line) for line in sink.lines]


async def test_a_call_is_answered_and_its_agent_is_told(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far, task_id = await given(world)
        await far.post(task_id, message("a"), draft("agent.client_tool_call", CALL), message("b"))
        (asked,) = await seen(world, task_id)
        assert isinstance(asked.data, dict)
        assert {**asked.data, "expires_at": 0} == {**CALL, "expires_at": 0}
        assert abs(int(str(asked.data["expires_at"])) - now_ms() - 30_000) < 5_000, "as long as the engine's own wait"
        await world.router.command_task(ALICE, AnswerToolCall(task_id, "c1", ToolReturned([1]), "phone"))
        await wait_all_tasks_blocked()
        told = {"call_id": "c1", "success": True, "result": [1], "by": "alice", "device": "phone"}
        assert far.board[-1].event_type == "agent.client_tool_result"
        assert far.board[-1].data == {"task_id": task_id, **told}
        with pytest.raises(CallboardError, match="carried out by alice"):
            await world.router.command_task(ALICE, AnswerToolCall(task_id, "c1", ToolReturned(2)))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("ahead_ms", [None, 10_000])
async def test_unanswered_it_expires(autojump_clock: trio.abc.Clock, ahead_ms: int | None) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far, task_id = await given(world)
        expiry: dict[str, Json] = {} if ahead_ms is None else {"expires_at": now_ms() + ahead_ms}
        await far.post(task_id, draft("step.confirm", {"step_id": "s1", "reason": "?", **expiry}))
        await trio.sleep(59 if ahead_ms is None else 8)
        assert [one.event_type for one in await seen(world, task_id)] == ["step.confirm"]
        await trio.sleep(3)
        assert await seen(world, task_id) == []
        assert far.board[-1].data == {"task_id": task_id, "step_id": "s1", "approved": False, "by": None}
        with pytest.raises(CallboardError, match="has expired"):
            await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", True))
        await far.post(task_id, completed("done"))
        assert world.tasks.find(ALICE, task_id).view().result == "done", "the task itself goes on"
        nursery.cancel_scope.cancel()


async def test_asked_once_more_the_later_wording_stands(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far, task_id = await given(world)
        for reason in ("May I?", "Really?"):
            await far.post(task_id, draft("step.confirm", {"step_id": "s1", "reason": reason}))
        for number in range(60):
            await world.router.publish(ADMIN, Publish("task", task_id, draft("note", number)))
        (asked,) = await seen(world, task_id)
        assert isinstance(asked.data, dict)
        assert asked.data["reason"] == "Really?"
        await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", True))
        assert await seen(world, task_id) == []
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("posted", "code"),
    [
        ((draft("agent.client_tool_call", {"call_id": "c"}),), ErrorCode.INVALID_PAYLOAD),
        ((draft("agent.client_tool_call", {"name": "n"}),), ErrorCode.INVALID_PAYLOAD),
        ((draft("step.confirm", {"step_id": "s", "expires_at": "soon"}),), ErrorCode.INVALID_PAYLOAD),
        ((draft("step.confirm", {"step_id": "s", "expires_at": True}),), ErrorCode.INVALID_PAYLOAD),
        ((draft("agent.client_tool_result", {"call_id": "c"}),), ErrorCode.INVALID_PAYLOAD),
        ((draft("agent.client_tool_call", {**CALL, "arguments": "x" * 1_000}),), ErrorCode.TOO_LARGE),
        (
            tuple(draft("step.confirm", {"step_id": str(number)}) for number in range(MOST_OPEN + 1)),
            ErrorCode.RATE_LIMITED,
        ),
    ],
)
async def test_a_bad_question_changes_nothing(
    autojump_clock: trio.abc.Clock, posted: tuple[Draft, ...], code: ErrorCode
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far, task_id = await given(world)
        tail = world.channels.log(world.tasks.find(ALICE, task_id).key).tail
        with pytest.raises(CallboardError) as refused:
            await far.post(task_id, *posted)
        assert refused.value.code is code
        assert world.channels.log(world.tasks.find(ALICE, task_id).key).tail == tail
        assert not world.tasks.find(ALICE, task_id).record.questions
        nursery.cancel_scope.cancel()
