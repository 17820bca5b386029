"""A task whose agent runs elsewhere outlives a restart of the engine: its claim, its questions, what it has said."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import (
    AnswerToolCall,
    AppendTurn,
    ClaimTask,
    ConfirmStep,
    CreateSession,
    CreateTask,
    PostEvents,
    Receipt,
    RegisterAgent,
    TaskState,
)
from actors.errors import CallboardError
from actors.event import ChannelKey, Draft, Json, Merge, draft
from actors.lease import LeaseOptions
from actors.questions import ToolReturned
from actors.tasks import TasksOptions
from tests.support.memory_store import MemoryStore
from tests.support.restart import life, told, types_told
from tests.support.world import ALICE, OPERATOR, Limits, World

LIMITS = Limits(tasks=TasksOptions(lease=LeaseOptions(lease_seconds=60, claim_seconds=100)))
BOARD = ChannelKey("agent", "helper", OPERATOR.user_id)


def piece(text: str) -> Draft:
    return draft("agent.message", {"content": text}, merge=Merge.TEXT)


async def post(world: World, task_id: str, *drafts: Draft, key: str | None = None) -> Receipt:
    return await world.router.command_task(OPERATOR, PostEvents(task_id, drafts, key))


async def create(world: World, session_id: str | None = None) -> str:
    command = CreateTask(agent="helper", prompt="hello", session_id=session_id)
    task_id = (await world.router.create_task(ALICE, command)).id
    await wait_all_tasks_blocked()
    return task_id


async def board(world: World) -> list[str]:
    events = await world.channels.log(BOARD).page(0, max_events=100, max_bytes=1 << 20)
    return [event.event_type for event in events]


async def test_a_claimed_one_goes_on(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, {}, LIMITS) as world:
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", "helps"))
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        task_id = await create(world, session_id)
        await world.router.command_task(OPERATOR, ClaimTask(task_id))
        await post(world, task_id, piece("par"), draft("step.confirm", {"step_id": "s1", "reason": "?"}), key="k1")
        await world.router.command_task(ALICE, AppendTurn(task_id, "more"))
    async with life(store, {}, LIMITS) as world:
        await wait_all_tasks_blocked()
        task = world.tasks.find(ALICE, task_id)
        assert (task.record.state, task.record.claimed_by) == (TaskState.WAITING, OPERATOR.user_id)
        (question,) = world.router.open_questions(task.key)
        assert question.event_type == "step.confirm"
        await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", approved=True))
        before = len(await told(world, task_id))
        await post(world, task_id, piece("par"), key="k1")
        assert len(await told(world, task_id)) == before
        await trio.sleep(59)
        await post(world, task_id, piece("tial"), draft("task.completed", {}))
        await post(world, task_id, draft("task.completed", {"result": "all of it"}))
        await world.tasks.wait_quiet()
        assert (task.view().state, task.view().result, task.view().turns) == (TaskState.COMPLETED, "all of it", 2)
        messages = world.sessions.find(ALICE, session_id).record.history.messages
        assert [message.content for message in messages] == ["hello", "partial", "more", "all of it"]


async def test_a_tool_call_of_a_client_stays_open_until_its_time_is_up(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    called: list[dict[str, Json]] = [{"call_id": name, "name": "locate", "arguments": {}} for name in ("a", "b")]
    async with life(store, {}, LIMITS) as world:
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
        task_id = await create(world)
        await world.router.command_task(OPERATOR, ClaimTask(task_id))
        await post(world, task_id, *(draft("agent.client_tool_call", call) for call in called))
        asked = world.router.open_questions(world.tasks.find(ALICE, task_id).key)
    async with life(store, {}, LIMITS) as world:
        task = world.tasks.find(ALICE, task_id)
        await wait_all_tasks_blocked()
        assert world.router.open_questions(task.key) == asked
        assert [event.offset for event in asked] == [3, 4]
        answer = AnswerToolCall(task_id, "a", ToolReturned("Rome"))
        await world.router.command_task(ALICE, answer)
        assert (await told(world, task_id))[-1].data == {
            "call_id": "a",
            "success": True,
            "result": "Rome",
            "by": ALICE.user_id,
        }
        for _ in range(10):
            # It keeps its claim meanwhile.
            await trio.sleep(LIMITS.client_tool_seconds / 10)
            await post(world, task_id, piece("."))
        await wait_all_tasks_blocked()
        assert world.router.open_questions(task.key) == ()
        assert task.record.state is TaskState.RUNNING


async def test_a_claimed_one_whose_agent_has_gone_runs_out(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, {}, LIMITS) as world:
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
        task_id = await create(world)
        await world.router.command_task(OPERATOR, ClaimTask(task_id))
    async with life(store, {}, LIMITS) as world:
        begin = trio.current_time()
        await world.tasks.wait_quiet()
        assert trio.current_time() - begin == pytest.approx(60)
        assert (await types_told(world, task_id))[-1] == "task.failed"


async def test_an_unclaimed_one_is_announced_once(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, {}, LIMITS) as world:
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        first, second = await create(world, session_id), await create(world, session_id)
    async with life(store, {}, LIMITS) as world:
        await wait_all_tasks_blocked()
        assert await board(world) == ["task.available"]
        with pytest.raises(CallboardError, match="waits for its turn"):
            await world.router.command_task(OPERATOR, ClaimTask(second))
        await world.router.command_task(OPERATOR, ClaimTask(first))
        await post(world, first, draft("task.completed", {"result": "done"}), key="last")
        await wait_all_tasks_blocked()
        assert await board(world) == ["task.available", "task.available"]
        receipt = await world.router.command_task(OPERATOR, ClaimTask(second))
        assert [message.content for message in receipt.history] == ["hello", "done"]
    async with life(store, {}, LIMITS) as world:
        again = await post(world, first, draft("task.completed", {"result": "done"}), key="last")
        assert again.task.state is TaskState.COMPLETED
        with pytest.raises(CallboardError, match="has ended"):
            await post(world, first, draft("task.completed", {"result": "done"}), key="another")


async def test_a_post_with_its_end_is_kept_whole_or_not_at_all(autojump_clock: trio.abc.Clock) -> None:
    """After each commit: either the post is there and the task ends by itself, or the same post again ends it."""
    store = MemoryStore()
    last = (piece("answer"), draft("task.completed", {"result": "answer", "data": {"n": 1}}))
    async with life(store, {}, LIMITS) as world:
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        task_id = await create(world, session_id)
        await world.router.command_task(OPERATOR, ClaimTask(task_id))
        images = store.watch_commits()
        await post(world, task_id, *last, key="last")
        await wait_all_tasks_blocked()
        expected = await types_told(world, task_id)
    assert len(images) > 2
    for image in images:
        async with life(image, {}, LIMITS) as world:
            await wait_all_tasks_blocked()
            await post(world, task_id, *last, key="last")
            await world.tasks.wait_quiet()
            assert await types_told(world, task_id) == expected
            view = world.tasks.find(ALICE, task_id).view()
            assert (view.state, view.result, view.data) == (TaskState.COMPLETED, "answer", {"n": 1})
            messages = world.sessions.find(ALICE, session_id).record.history.messages
            assert [message.content for message in messages] == ["hello", "answer"]
