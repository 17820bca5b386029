"""Tool calls that one of the user's devices carries out."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext
from actors.commands import AnswerToolCall, CancelTask, ConfirmStep, CreateTask, Publish, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.event import Json, draft
from actors.questions import MOST_OPEN, ToolFailed, ToolReturned
from actors.retention import Retention
from actors.tool import ToolError
from tests.support.drafts import Seen, read_back
from tests.support.world import ADMIN, ALICE, BOB, Limits, MemorySink, World


async def calling(task: TaskContext) -> Result:
    try:
        value = await task.call_client_tool("clipboard", {"format": task.prompt})
    except ToolError as error:
        return Result(f"failed: {error}")
    return Result(f"got {value}")


async def impatient(task: TaskContext) -> Result:
    """Gives up waiting by itself, and goes on."""
    with trio.move_on_after(5):
        await task.call_client_tool("clipboard", None)
    with trio.move_on_after(5):
        await task.confirm("s1", "May I?")
    await task.message("never mind")
    await trio.sleep_forever()


async def swarming(task: TaskContext) -> Result:
    async def ask(number: int) -> None:
        await task.confirm(f"s{number}", "May I?")

    async with trio.open_nursery() as nursery:
        for number in range(int(task.prompt)):
            nursery.start_soon(ask, number)
    return Result("")


AGENTS = {"calling": calling, "impatient": impatient, "swarming": swarming}
RETURNED = ToolReturned("hello")


async def started(world: World, agent: str = "calling", prompt: str = "text") -> str:
    task_id = (await world.router.create_task(ALICE, CreateTask(agent=agent, prompt=prompt))).id
    await wait_all_tasks_blocked()
    return task_id


def watching(world: World, task_id: str, start: str = "live") -> MemorySink:
    connection, sink = world.connect(ALICE)
    world.watch(connection, "task", task_id, start="live" if start == "live" else "oldest")
    return sink


def seen(sink: MemorySink) -> list[Seen]:
    return [read_back(line) for line in sink.lines]


def told(sink: MemorySink, event_type: str) -> list[Json]:
    return [one.data for one in seen(sink) if one.event_type == event_type]


def result(world: World, task_id: str) -> str | None:
    return world.tasks.find(ALICE, task_id).view().result


async def test_the_first_valid_answer_is_the_agents_and_all_are_told(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world)
        first, second = watching(world, task_id), watching(world, task_id)
        (call,) = told(first, "agent.client_tool_call")
        assert isinstance(call, dict)
        assert (call["call_id"], call["name"], call["arguments"]) == ("call-1", "clipboard", {"format": "text"})
        assert isinstance(call["expires_at"], int)
        assert world.tasks.find(ALICE, task_id).view().state is TaskState.WAITING
        answer = AnswerToolCall(task_id, "call-1", RETURNED, "phone")
        receipt = await world.router.command_task(ALICE, answer)
        log = world.channels.log(world.tasks.find(ALICE, task_id).key)
        settled = log.read(0, max_events=receipt.position.offset, max_bytes=10**6)
        assert "agent.client_tool_result" in {one.event_type for one in settled}, "acknowledged once it is in the log"
        await wait_all_tasks_blocked()
        news = {"call_id": "call-1", "success": True, "result": "hello", "by": "alice", "device": "phone"}
        assert told(first, "agent.client_tool_result") == told(second, "agent.client_tool_result") == [news]
        assert result(world, task_id) == "got hello"
        nursery.cancel_scope.cancel()


async def test_a_later_answer_is_told_who_was_first_and_with_what(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world, "swarming", "2")
        await world.router.command_task(ALICE, ConfirmStep(task_id, "s0", False, "phone"))
        with pytest.raises(CallboardError, match=r"declined by alice \(device phone\)") as refused:
            await world.router.command_task(ADMIN, ConfirmStep(task_id, "s0", True))
        assert refused.value.code is ErrorCode.CONFLICT
        details = refused.value.details
        assert (details["answered_by"], details["answered_on"], details["approved"]) == ("alice", "phone", False)
        await world.router.command_task(ADMIN, ConfirmStep(task_id, "s1", True))
        await wait_all_tasks_blocked()
        assert world.tasks.find(ALICE, task_id).record.is_ended
        with pytest.raises(CallboardError, match="approved by root") as refused:
            await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", False))
        assert refused.value.details["approved"] is True, "also where the task has ended meanwhile"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answer", "code"),
    [(ToolReturned("x" * 2_000), ErrorCode.TOO_LARGE), (ToolReturned({"n": 1 << 70}), ErrorCode.INVALID_PAYLOAD)],
)
async def test_an_answer_that_is_not_valid_settles_nothing(
    autojump_clock: trio.abc.Clock, answer: ToolReturned, code: ErrorCode
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world)
        with pytest.raises(CallboardError) as refused:
            await world.router.command_task(ALICE, AnswerToolCall(task_id, "call-1", answer))
        assert refused.value.code is code
        for principal, call_id in ((BOB, "call-1"), (ALICE, "call-2")):
            with pytest.raises(CallboardError) as refused:
                await world.router.command_task(principal, AnswerToolCall(task_id, call_id, RETURNED))
            assert refused.value.code is ErrorCode.NOT_FOUND
        await world.router.command_task(ALICE, AnswerToolCall(task_id, "call-1", ToolFailed("no clipboard")))
        await wait_all_tasks_blocked()
        assert result(world, task_id) == "failed: no clipboard"
        nursery.cancel_scope.cancel()


async def test_unanswered_it_expires(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world)
        sink = watching(world, task_id)
        await trio.sleep(29.9)
        assert told(sink, "agent.client_tool_result") == []
        await trio.sleep(0.2)
        assert result(world, task_id) == "failed: clipboard: nobody answered in time"
        (news,) = told(sink, "agent.client_tool_result")
        assert news == {"call_id": "call-1", "success": False, "error": "nobody answered in time", "by": None}
        with pytest.raises(CallboardError, match="has expired") as refused:
            await world.router.command_task(ALICE, AnswerToolCall(task_id, "call-1", RETURNED))
        assert "expired_at" in refused.value.details
        nursery.cancel_scope.cancel()


async def test_a_cancel_ends_the_waiting(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world)
        await world.router.command_task(ALICE, CancelTask(task_id))
        await wait_all_tasks_blocked()
        assert world.tasks.find(ALICE, task_id).view().state is TaskState.CANCELLED
        assert watching(world, task_id).lines == [], "nothing is asked any more"
        with pytest.raises(CallboardError, match="is open no more") as refused:
            await world.router.command_task(ALICE, AnswerToolCall(task_id, "call-1", RETURNED))
        assert refused.value.code is ErrorCode.CONFLICT
        nursery.cancel_scope.cancel()


async def test_what_an_agent_waits_for_no_more_is_told_ahead_of_its_next_event(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world, "impatient")
        sink = watching(world, task_id)
        await trio.sleep(11)
        types = [one.event_type for one in seen(sink)]
        asked, settled = ["agent.client_tool_call", "step.confirm"], ["agent.client_tool_result", "step.confirmed"]
        assert types == [asked[0], settled[0], asked[1], settled[1], "agent.message"]
        assert world.tasks.find(ALICE, task_id).view().state is TaskState.RUNNING
        assert watching(world, task_id).lines == []
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("agent", ["calling", "swarming"])
async def test_a_question_outlives_its_event(autojump_clock: trio.abc.Clock, agent: str) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(retention={"task": Retention(events=5)}))
        task_id = await started(world, agent, "1")
        for number in range(10):
            await world.router.publish(ADMIN, Publish("task", task_id, draft("note", number)))
        log = world.channels.log(world.tasks.find(ALICE, task_id).key)
        assert {event.event_type for event in log.read(0, max_events=99, max_bytes=10**6)} == {"note"}
        asked = "agent.client_tool_call" if agent == "calling" else "step.confirm"
        for start in ("live", "oldest"):
            sink = watching(world, task_id, start)
            await wait_all_tasks_blocked()
            assert [one.event_type for one in seen(sink)].count(asked) == 1
            assert seen(sink)[0].event_type == asked, "ahead of what is retained"
        nursery.cancel_scope.cancel()


async def test_so_many_may_be_open_at_once(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world, "swarming", str(MOST_OPEN))
        assert len(world.tasks.find(ALICE, task_id).record.questions) == MOST_OPEN
        over = await started(world, "swarming", str(MOST_OPEN + 1))
        error = world.tasks.find(ALICE, over).view().error
        assert error is not None
        assert f"{MOST_OPEN} open questions" in error.message
        nursery.cancel_scope.cancel()


async def test_arguments_that_are_too_large_are_the_agents_mistake(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await started(world, prompt="x" * 1_000)
        assert (result(world, task_id) or "").startswith("failed: the arguments")
        nursery.cancel_scope.cancel()
