from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import AgentError, Result, TaskContext
from actors.commands import AppendTurn, CancelTask, ConfirmStep, CreateTask, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.task_reports import AgentCrashed, AgentOverstays
from tests.support.world import ALICE, BOB, MemorySink, World


async def echo(task: TaskContext) -> Result:
    await task.message(task.prompt)
    return Result(task.prompt.upper())


async def stubborn(task: TaskContext) -> Result:
    with trio.CancelScope(shield=True):
        await trio.sleep(60)
    await task.message("still here")
    return Result("done all the same")


async def failing(task: TaskContext) -> Result:
    if task.prompt == "crash":
        raise ZeroDivisionError("by zero")
    raise AgentError("no_luck", "there was no luck")


async def asking(task: TaskContext) -> Result:
    agreed = await task.confirm("s1", "May I?", step_name="deploy")
    return Result("yes" if agreed else "no")


async def patient(task: TaskContext) -> Result:
    second = await task.next_turn()
    await task.message(f"{task.turn}:{second}")
    return Result(second)


AGENTS = {"echo": echo, "stubborn": stubborn, "failing": failing, "asking": asking, "patient": patient}


async def start(world: World, agent: str, prompt: str = "hello") -> tuple[str, MemorySink]:
    view = await world.router.create_task(ALICE, CreateTask(agent=agent, prompt=prompt))
    connection, sink = world.connect(ALICE)
    world.watch(connection, "task", view.id)
    await wait_all_tasks_blocked()
    return view.id, sink


def types(sink: MemorySink) -> list[str]:
    return [line.split(" ")[1] for line in sink.lines]


async def test_a_run_is_told_from_start_to_end(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id, sink = await start(world, "echo")
        assert types(sink) == [
            "task.started",
            "task.turn_started",
            "agent.message",
            "task.turn_completed",
            "task.completed",
        ]
        view = world.tasks.find(ALICE, task_id).view()
        assert (view.state, view.result, view.turns) == (TaskState.COMPLETED, "HELLO", 1)
        nursery.cancel_scope.cancel()


async def test_cancel_is_answered_at_once_and_the_end_follows_the_agent(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id, sink = await start(world, "stubborn")
        receipt = await world.router.command_task(ALICE, CancelTask(task_id))
        assert receipt.task.state is TaskState.CANCELLING
        await trio.sleep(59)
        assert "task.cancelled" not in types(sink)
        assert [type(report) for report in world.reports.seen] == [AgentOverstays]
        await trio.sleep(2)
        assert types(sink)[-1] == "task.cancelled"
        again = await world.router.command_task(ALICE, CancelTask(task_id))
        assert again.task.state is TaskState.CANCELLED
        nursery.cancel_scope.cancel()


async def test_cancelled_before_it_has_begun_a_task_ends_and_its_stop_is_watched(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        world.launcher.admit(ALICE, (command := CreateTask(agent="echo", prompt="hello"),))
        task = await world.launcher.start(ALICE, command)
        receipt = world.router.command_task_nowait(ALICE, CancelTask(task.record.id))
        assert receipt is not None
        assert (receipt.cancel_requested, receipt.task.state) == (True, TaskState.CANCELLING)
        await wait_all_tasks_blocked()
        assert (task.view().state, task.view().result) == (TaskState.CANCELLED, None)
        assert world.reports.seen == []
        nursery.cancel_scope.cancel()


async def test_an_agent_is_cancelled_in_the_step_in_which_that_is_asked(autojump_clock: trio.abc.Clock) -> None:
    gate, passed = trio.Event(), trio.Event()

    async def waiting(task: TaskContext) -> Result:
        await gate.wait()
        passed.set()
        return Result(task.prompt)

    async with trio.open_nursery() as nursery:
        world = World(nursery, {"waiting": waiting})
        task_id, sink = await start(world, "waiting")
        world.router.command_task_nowait(ALICE, CancelTask(task_id))
        gate.set()
        await wait_all_tasks_blocked()
        assert not passed.is_set()
        assert types(sink)[-1] == "task.cancelled"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("prompt", "cause"), [("crash", "agent_crashed"), ("unlucky", "no_luck")])
async def test_a_failure_has_a_cause(autojump_clock: trio.abc.Clock, prompt: str, cause: str) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id, sink = await start(world, "failing", prompt)
        view = world.tasks.find(ALICE, task_id).view()
        assert view.state is TaskState.FAILED
        assert view.error is not None
        assert view.error.cause == cause
        assert types(sink)[-1] == "task.failed"
        assert [type(report) for report in world.reports.seen] == ([AgentCrashed] if prompt == "crash" else [])
        nursery.cancel_scope.cancel()


async def test_the_first_answer_to_a_confirmation_wins(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id, sink = await start(world, "asking")
        assert world.tasks.find(ALICE, task_id).view().state is TaskState.WAITING
        late, late_sink = world.connect(ALICE)
        world_start = late.admit("task", {task_id: "live"}, everything=False)
        late.enter("task", world_start, everything=False)
        assert types(late_sink) == ["step.confirm"]
        with pytest.raises(CallboardError, match="no task"):
            await world.router.command_task(BOB, ConfirmStep(task_id, "s1", True))
        await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", False))
        with pytest.raises(CallboardError) as refused:
            await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", True))
        assert refused.value.code is ErrorCode.CONFLICT
        await wait_all_tasks_blocked()
        assert types(sink)[-3:] == ["step.confirmed", "task.turn_completed", "task.completed"]
        assert world.tasks.find(ALICE, task_id).view().result == "no"
        nursery.cancel_scope.cancel()


async def test_appended_turns_run_in_order(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id, sink = await start(world, "patient", "one")
        receipt = await world.router.command_task(ALICE, AppendTurn(task_id, "two"))
        assert receipt.turn == 2
        await wait_all_tasks_blocked()
        assert types(sink) == [
            "task.started",
            "task.turn_started",
            "task.waiting",
            "task.turn_started",
            "agent.message",
            "task.turn_completed",
            "task.completed",
        ]
        with pytest.raises(CallboardError) as refused:
            await world.router.command_task(ALICE, AppendTurn(task_id, "three"))
        assert refused.value.code is ErrorCode.CONFLICT
        nursery.cancel_scope.cancel()


async def test_a_shutdown_is_a_cancellation_that_is_told(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as tasks:
            world = World(nursery, AGENTS, tasks_nursery=tasks)
            task_id, sink = await start(world, "patient")
            tasks.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        assert types(sink)[-1] == "task.cancelled"
        assert world.tasks.find(ALICE, task_id).view().state is TaskState.CANCELLED
        nursery.cancel_scope.cancel()
