from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import AppendTurn, CancelTask, ClaimTask, ConfirmStep, PostEvents, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, draft
from actors.lease import LeaseOptions
from actors.principal import Principal, Scope
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.remote import RemoteAgent, completed, message
from tests.support.world import ALICE, BOB, Limits, World

LIMITS = Limits(tasks=TasksOptions(lease=LeaseOptions(lease_seconds=60.0, claim_seconds=600.0)), cancel_seconds=5.0)
STRANGER = Principal("sam", frozenset({Scope.AGENT}))


async def told(world: World, task_id: str) -> list[str]:
    log = world.channels.log(world.tasks.find(ALICE, task_id).key)
    await wait_all_tasks_blocked()
    return [event.event_type for event in log.read(0, max_events=1000, max_bytes=10**9)]


def state(world: World, task_id: str) -> TaskState:
    return world.tasks.find(ALICE, task_id).record.state


def cause(world: World, task_id: str) -> str | None:
    error = world.tasks.find(ALICE, task_id).view().error
    return None if error is None else error.cause


async def test_announced_claimed_posted_completed(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given("hello")
        receipt = await far.claim(task_id)
        assert (receipt.lease_seconds, receipt.task.claimed_by, receipt.history) == (60.0, "olga", ())
        await wait_all_tasks_blocked()
        assert far.board[0].event_type == "task.available"
        assert far.board[0].data == {
            "task_id": task_id,
            "prompt": "hello",
            "context": {},
            "session_id": None,
            "user_id": "alice",
        }
        assert (await far.claim(task_id)).task.state is TaskState.RUNNING, "claiming is idempotent"
        await far.post(task_id, message("a"), message("b"))
        await far.post(task_id, completed("ab", {"n": 1}))
        assert await told(world, task_id) == [
            "task.started",
            "task.turn_started",
            "agent.message",
            "agent.message",
            "task.turn_completed",
            "task.completed",
        ]
        view = world.tasks.find(ALICE, task_id).view()
        assert (view.state, view.result, view.data) == (TaskState.COMPLETED, "ab", {"n": 1})
        nursery.cancel_scope.cancel()


async def test_who_may_claim_and_post(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        for principal, code in (
            (ALICE, ErrorCode.FORBIDDEN),
            (BOB, ErrorCode.NOT_FOUND),
            (STRANGER, ErrorCode.NOT_FOUND),
        ):
            for command in (ClaimTask(task_id), PostEvents(task_id, (message("x"),))):
                with pytest.raises(CallboardError) as refused:
                    await world.router.command_task(principal, command)
                assert refused.value.code is code
        with pytest.raises(CallboardError, match="claim task"):
            await far.post(task_id, message("x"))
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("drafts", "why"),
    [
        ((), "empty"),
        ((completed(), message("late")), "nothing may follow"),
        ((draft("task.started", {}),), "for the engine alone"),
        ((draft("step.confirm", {"step_id": "s1"}), draft("step.confirm", {})), "step_id"),
        ((draft("task.completed", "the answer"),), "an object or null"),
        ((draft("task.completed", {"result": 7}),), "`result`"),
        ((message("so far"), draft("task.failed", {"error": ["x"]})), "`error`"),
    ],
)
async def test_a_bad_post_changes_nothing(autojump_clock: trio.abc.Clock, drafts: tuple[Draft, ...], why: str) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await far.claim(task_id)
        before = await told(world, task_id)
        with pytest.raises(CallboardError, match=why) as refused:
            await far.post(task_id, *drafts)
        assert refused.value.code is ErrorCode.INVALID_PAYLOAD
        assert await told(world, task_id) == before
        assert state(world, task_id) is TaskState.RUNNING
        nursery.cancel_scope.cancel()


async def test_the_lease_is_renewed_by_posting_and_runs_out_in_silence(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await far.claim(task_id)
        for _ in range(3):
            await trio.sleep(59)
            await far.post(task_id, message("x"))
        await trio.sleep(59)
        assert state(world, task_id) is TaskState.RUNNING
        await trio.sleep(2)
        assert (state(world, task_id), cause(world, task_id)) == (TaskState.FAILED, "abandoned")
        assert (await told(world, task_id))[-1] == "task.failed"
        with pytest.raises(CallboardError) as refused:
            await far.post(task_id, message("x"))
        assert refused.value.code is ErrorCode.CONFLICT
        nursery.cancel_scope.cancel()


async def test_what_nobody_claims_fails(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await trio.sleep(599)
        assert state(world, task_id) is TaskState.QUEUED
        await trio.sleep(2)
        assert cause(world, task_id) == "unclaimed"
        nursery.cancel_scope.cancel()


async def test_cancelled_before_it_is_claimed(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await wait_all_tasks_blocked()
        receipt = await world.router.command_task(ALICE, CancelTask(task_id))
        assert receipt.task.state is TaskState.CANCELLED
        assert await told(world, task_id) == ["task.cancelled"]
        assert far.heard == ["task.available", "task.cancel"]
        with pytest.raises(CallboardError, match="has ended"):
            await far.claim(task_id)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("last", [draft("task.cancelled", {}), completed("late"), draft("task.failed", {"error": "x"})])
async def test_cancelled_after_it_was_claimed(autojump_clock: trio.abc.Clock, last: Draft) -> None:
    """Who asked decides: whatever the agent makes of it, the task was cancelled."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await far.claim(task_id)
        assert (await world.router.command_task(ALICE, CancelTask(task_id))).cancel_requested
        assert state(world, task_id) is TaskState.CANCELLING
        assert (await far.post(task_id, message("putting away"))).cancel_requested
        await far.post(task_id, last)
        assert (await told(world, task_id))[-1] == "task.cancelled"
        assert state(world, task_id) is TaskState.CANCELLED
        nursery.cancel_scope.cancel()


async def test_an_agent_that_will_not_stop_has_only_so_long(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await far.claim(task_id)
        await world.router.command_task(ALICE, CancelTask(task_id))
        for _ in range(4):
            await trio.sleep(1)
            await far.post(task_id, message("on and on"))
        await trio.sleep(2)
        assert state(world, task_id) is TaskState.CANCELLED
        (last,) = world.channels.log(world.tasks.find(ALICE, task_id).key).read(
            (await world.router.command_task(ALICE, CancelTask(task_id))).position.offset - 1, max_events=1, max_bytes=0
        )
        assert isinstance(last.data, dict)
        assert last.data["reason"] == "abandoned"
        nursery.cancel_scope.cancel()


async def test_turns_follow_one_another(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given("one")
        await far.claim(task_id)
        assert (await world.router.command_task(ALICE, AppendTurn(task_id, "two"))).turn == 2
        await far.post(task_id, completed("first"))
        assert state(world, task_id) is TaskState.RUNNING
        await far.post(task_id, completed("second"))
        assert (await told(world, task_id))[1:] == [
            "task.turn_started",
            "task.turn_completed",
            "task.turn_started",
            "task.turn_completed",
            "task.completed",
        ]
        assert far.heard == ["task.available", "task.turn"]
        nursery.cancel_scope.cancel()


async def test_a_confirmation_reaches_the_agent(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await far.claim(task_id)
        await far.post(task_id, draft("step.confirm", {"step_id": "s1", "reason": "May I?"}))
        assert state(world, task_id) is TaskState.WAITING
        await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", True))
        assert state(world, task_id) is TaskState.RUNNING
        await wait_all_tasks_blocked()
        assert far.board[-1].event_type == "step.confirmed"
        assert far.board[-1].data == {"task_id": task_id, "step_id": "s1", "approved": True, "by": "alice"}
        assert (await told(world, task_id))[-1] == "step.confirmed"
        nursery.cancel_scope.cancel()


async def test_the_same_post_again_posts_nothing(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, LIMITS)
        far = await RemoteAgent.register(world)
        task_id = await far.is_given()
        await far.claim(task_id)
        for _ in range(2):
            await far.post(task_id, message("x"), key="k1")
        assert (await told(world, task_id)).count("agent.message") == 1
        # The answer to the post that ended the task is the likeliest one to be asked for again.
        for _ in range(2):
            receipt = await far.post(task_id, completed("x"), key="k2")
            assert receipt.task.state is TaskState.COMPLETED
        assert (await told(world, task_id)).count("task.completed") == 1
        nursery.cancel_scope.cancel()
