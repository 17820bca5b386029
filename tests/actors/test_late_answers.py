"""Who answers late is told the same, whether the engine was killed meanwhile or not: who was first, with what, when."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext, resumable
from actors.commands import (
    AnswerToolCall,
    ClaimTask,
    ConfirmStep,
    CreateTask,
    PostEvents,
    QuestionAnswer,
    RegisterAgent,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, Json, draft
from actors.kept_questions import QUESTION_RECORDS, open_records
from actors.kept_task import redacted_records
from actors.lease import LeaseOptions
from actors.past_questions import REMEMBERED
from actors.questions import ToolFailed, ToolReturned
from actors.redaction import TaskRedaction
from actors.retention import Retention
from actors.tasks import TasksOptions
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, OPERATOR, Limits, World

LIMITS = Limits(tasks=TasksOptions(lease=LeaseOptions(lease_seconds=1000, claim_seconds=1000)), confirm_seconds=30)
CALL: dict[str, Json] = {"call_id": "c1", "name": "locate", "arguments": {}}


async def given(world: World) -> str:
    """A task that an agent elsewhere has claimed."""
    await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
    task_id = (await world.router.create_task(ALICE, CreateTask(agent="helper", prompt="go"))).id
    await wait_all_tasks_blocked()
    await world.router.command_task(OPERATOR, ClaimTask(task_id))
    return task_id


async def post(world: World, task_id: str, *drafts: Draft) -> None:
    await world.router.command_task(OPERATOR, PostEvents(task_id, drafts))


async def refusal(world: World, command: QuestionAnswer) -> tuple[ErrorCode, str, dict[str, Json]]:
    with pytest.raises(CallboardError) as refused:
        await world.router.command_task(ALICE, command)
    return refused.value.code, refused.value.message, refused.value.details


@pytest.mark.parametrize("ends", [False, True])
async def test_of_an_agent_elsewhere(ends: bool, autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, {}, LIMITS) as world:
        task_id = await given(world)
        steps = [draft("step.confirm", {"step_id": name, "reason": name}) for name in ("yes", "no", "late")]
        calls = [draft("agent.client_tool_call", {**CALL, "call_id": name}) for name in ("c1", "c2")]
        await post(world, task_id, *steps, *calls)
        answers: list[QuestionAnswer] = [
            ConfirmStep(task_id, "yes", approved=True, device="phone"),
            ConfirmStep(task_id, "no", approved=False),
            AnswerToolCall(task_id, "c1", ToolReturned("Rome")),
            AnswerToolCall(task_id, "c2", ToolFailed("no signal")),
        ]
        for answer in answers:
            await world.router.command_task(ALICE, answer)
        await trio.sleep(31)
        await post(world, task_id, draft("step.confirm", {"step_id": "left", "reason": "?"}))
        answers.append(ConfirmStep(task_id, "late", approved=True))
        if ends:
            await post(world, task_id, draft("task.completed", {}))
            answers.append(ConfirmStep(task_id, "left", approved=True))
        told = [await refusal(world, answer) for answer in answers]
        unknown = await refusal(world, ConfirmStep(task_id, "unknown", approved=True))
    assert {code for code, _, _ in told} == {ErrorCode.CONFLICT}
    assert told[0][2].keys() == {"approved", "answered_by", "answered_at", "answered_on"}
    for _ in range(2):
        async with life(store, {}, LIMITS) as world:
            await wait_all_tasks_blocked()
            assert [await refusal(world, answer) for answer in answers] == told
            assert await refusal(world, ConfirmStep(task_id, "unknown", approved=True)) == unknown
            assert len(world.router.open_questions(world.tasks.find(ALICE, task_id).key)) == (0 if ends else 1)


async def test_of_an_agent_in_the_engine(autojump_clock: trio.abc.Clock) -> None:
    async def curious(task: TaskContext) -> Result:
        answers = [await task.confirm("s1", "?"), await task.confirm("s2", "?", timeout=5)]
        with trio.move_on_after(5):
            await task.confirm("s3", "?")
        if task.prompt == "open":
            await task.confirm("s4", "?")
        return Result(str(answers))

    store = MemoryStore()
    ids: list[str] = []
    async with life(store, {"curious": curious}, LIMITS) as world:
        for prompt in ("end", "open"):
            task_id = (await world.router.create_task(ALICE, CreateTask(agent="curious", prompt=prompt))).id
            await wait_all_tasks_blocked()
            await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", approved=True, device="desk"))
            ids.append(task_id)
        await trio.sleep(11)
        late = [ConfirmStep(task_id, f"s{number}", approved=True) for task_id in ids for number in (1, 2, 3)]
        told = [await refusal(world, answer) for answer in late]
    assert [message.partition(" has ")[2].partition(" is ")[0] for _, message, _ in told[:2]] == [
        "been answered already: approved by alice (device desk)",
        "expired: nobody answered in time",
    ]
    async with life(store, {"curious": curious}, LIMITS) as world:
        assert [await refusal(world, answer) for answer in late] == told
        await world.tasks.wait_quiet()
        assert [await refusal(world, answer) for answer in late] == told
        code, message, details = await refusal(world, ConfirmStep(ids[1], "s4", approved=True))
        ended_at = world.tasks.find(ALICE, ids[1]).view().ended_at
        assert (code, details) == (ErrorCode.CONFLICT, {"withdrawn_at": ended_at})
        assert "is open no more" in message


async def test_of_one_that_is_resumed_an_open_question_is_withdrawn_and_asked_anew(
    autojump_clock: trio.abc.Clock,
) -> None:
    @resumable
    async def curious(task: TaskContext) -> Result:
        name = "again" if task.journal else "first"
        return Result(str(await task.confirm(name, "?")))

    store = MemoryStore(seconds=0.1)
    async with life(store, {"curious": curious}, LIMITS) as world:
        task_id = (await world.router.create_task(ALICE, CreateTask(agent="curious", prompt="go"))).id
        await trio.sleep(1)
        (asked,) = world.router.open_questions(world.tasks.find(ALICE, task_id).key)
        assert isinstance(asked.data, dict)
        assert asked.data["step_id"] == "first"
    async with life(store, {"curious": curious}, LIMITS) as world:
        told = await refusal(world, ConfirmStep(task_id, "first", approved=True))
        assert "is open no more" in told[1]
        await trio.sleep(1)
        assert await refusal(world, ConfirmStep(task_id, "first", approved=True)) == told
        await world.router.command_task(ALICE, ConfirmStep(task_id, "again", approved=True))
        await world.tasks.wait_quiet()
        assert world.tasks.find(ALICE, task_id).view().result == "True"


async def test_an_open_one_whose_event_is_not_retained_any_more(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    limits = Limits(tasks=LIMITS.tasks, confirm_seconds=30, window=Retention(events=4))
    async with life(store, {}, limits) as world:
        task_id = await given(world)
        await post(world, task_id, draft("step.confirm", {"step_id": "s1", "reason": "May I?"}))
        await post(world, task_id, *(draft("note", number) for number in range(10)))
        key = world.tasks.find(ALICE, task_id).key
        asked = world.router.open_questions(key)
        world.channels.let_go(key, 8)
        await trio.sleep(1)
        assert not any(event.event_type == "step.confirm" for event in store.events(key))
    async with life(store, {}, limits) as world:
        assert world.router.open_questions(key) == asked
        assert [event.offset for event in asked] == [3]
        await trio.sleep(31)
        assert world.router.open_questions(key) == ()
        assert store.events(key)[-1].data == {"step_id": "s1", "approved": False, "by": None}


async def test_only_so_many_are_remembered_and_none_is_left_behind(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    limits = Limits(tasks=TasksOptions(ended=1, lease=LIMITS.tasks.lease), confirm_seconds=30)
    async with life(store, {}, limits) as world:
        task_id = await given(world)
        for number in range(REMEMBERED + 3):
            await post(world, task_id, draft("step.confirm", {"step_id": f"s/{number}"}))
            await world.router.command_task(ALICE, ConfirmStep(task_id, f"s/{number}", approved=True))
        assert len(await store.records(QUESTION_RECORDS)) == REMEMBERED
    async with life(store, {}, limits) as world:
        code, _, _ = await refusal(world, ConfirmStep(task_id, "s/2", approved=True))
        assert code is ErrorCode.NOT_FOUND
        code, _, _ = await refusal(world, ConfirmStep(task_id, "s/3", approved=True))
        assert code is ErrorCode.CONFLICT
        await post(world, task_id, draft("task.completed", {}))
        other = (await world.router.create_task(ALICE, CreateTask(agent="helper", prompt="go"))).id
        await wait_all_tasks_blocked()
        await world.router.command_task(OPERATOR, ClaimTask(other))
        await post(world, other, draft("task.completed", {}))
        await wait_all_tasks_blocked()
        assert world.tasks.named(task_id) is None
        assert await store.records(QUESTION_RECORDS) == []


async def test_what_is_taken_back_is_taken_back_in_what_is_asked(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, {}, LIMITS) as world:
        task_id = await given(world)
        await post(world, task_id, draft("step.confirm", {"step_id": "s1", "reason": "secret"}))
        task = world.tasks.find(ALICE, task_id)
        redaction = TaskRedaction(task_id, asked=False)
        task.record.redact(redaction)
        world.channels.keeper.note(*redacted_records(task.record, asked=False))
        world.channels.keeper.note_placed(partial(open_records, task.record))
        await world.channels.redact(task.key, redaction, lasting=True)
        await post(world, task_id, draft("step.confirm", {"step_id": "s2", "reason": "secret"}))
        await wait_all_tasks_blocked()
    assert not any(b"secret" in body for _, body in await store.records(QUESTION_RECORDS))
    async with life(store, {}, LIMITS) as world:
        assert len(world.router.open_questions(task.key)) == 2
