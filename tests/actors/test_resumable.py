"""Agents that say that they may be started again: with what they had told, in the same turn."""

from __future__ import annotations

from collections.abc import Mapping

import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Agent, Result, TaskContext, resumable
from actors.commands import AppendTurn, CancelTask, ConfirmStep, CreateSession, CreateTask, TaskState
from actors.event import Json
from tests.support.memory_store import MemoryStore
from tests.support.restart import life, told, types_told
from tests.support.world import ALICE, World


class Work:
    """An agent that fetches once in each turn and then waits for the gate; and what it saw."""

    def __init__(self) -> None:
        self.gate = trio.Event()
        self.fetched: list[str] = []
        self.journals: list[list[str]] = []
        self.histories: list[list[str]] = []

    @property
    def agents(self) -> Mapping[str, Agent]:
        @resumable
        async def worker(task: TaskContext) -> Result:
            self.journals.append([event.event_type for event in task.journal])
            self.histories.append([message.content for message in task.history])

            async def fetch() -> Json:
                self.fetched.append(task.prompt)
                return await task.call_tool("echo", {"of": task.prompt})

            found = await task.once(f"fetch-{task.turn}", fetch)
            for piece in ("fo", "und "):
                await task.message(piece)
            await self.gate.wait()
            return Result(f"{task.turn}: {found}")

        return {"worker": worker}


async def run(world: World, prompt: str, session_id: str | None = None) -> str:
    command = CreateTask(agent="worker", prompt=prompt, session_id=session_id)
    task_id = (await world.router.create_task(ALICE, command)).id
    await wait_all_tasks_blocked()
    return task_id


async def test_goes_on_with_its_journal_and_does_nothing_twice(autojump_clock: trio.abc.Clock) -> None:
    store, work = MemoryStore(), Work()
    async with life(store, work.agents) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        task_id = await run(world, "rain?", session_id)
    for _ in range(2):
        async with life(store, work.agents) as world:
            await wait_all_tasks_blocked()
            assert world.tasks.find(ALICE, task_id).record.state is TaskState.RUNNING
    work.gate.set()
    async with life(store, work.agents) as world:
        await world.tasks.wait_quiet()
        assert world.tasks.find(ALICE, task_id).view().result == "1: {'of': 'rain?'}"
        messages = [message.content for message in world.sessions.find(ALICE, session_id).record.history.messages]
        events = await told(world, task_id)
    assert messages == ["rain?", "1: {'of': 'rain?'}"]
    assert work.fetched == ["rain?"]
    assert work.histories == [[], [], [], []]
    first = ["task.started", "task.turn_started", "agent.tool_call", "agent.tool_result", "task.once", "agent.message"]
    again = ["task.resumed", "agent.message"]
    assert work.journals == [[], first, [*first, *again], [*first, *again, *again]]
    assert [event.offset for event in events] == list(range(1, len(events) + 1))
    assert [event.event_type for event in events][-2:] == ["task.turn_completed", "task.completed"]


async def test_appended_turns_wait_for_it(autojump_clock: trio.abc.Clock) -> None:
    store, work = MemoryStore(), Work()
    async with life(store, work.agents) as world:
        task_id = await run(world, "one")
        for turn, prompt in enumerate(("two", "three"), 2):
            receipt = await world.router.command_task(ALICE, AppendTurn(task_id, prompt))
            assert receipt.turn == turn
    work.gate.set()
    async with life(store, work.agents) as world:
        await world.tasks.wait_quiet()
        view = world.tasks.find(ALICE, task_id).view()
    assert (view.result, view.turns) == ("3: {'of': 'three'}", 3)
    assert work.fetched == ["one", "two", "three"]
    assert work.histories[-1] == ["one", "1: {'of': 'one'}", "two", "2: {'of': 'two'}"]


async def test_asks_its_open_question_again(autojump_clock: trio.abc.Clock) -> None:
    @resumable
    async def asking(task: TaskContext) -> Result:
        return Result(str(await task.confirm(f"s{len(task.journal)}", "May I?")))

    store = MemoryStore()
    async with life(store, {"worker": asking}) as world:
        task_id = await run(world, "hi")
    async with life(store, {"worker": asking}) as world:
        await wait_all_tasks_blocked()
        key = world.tasks.find(ALICE, task_id).key
        (question,) = world.router.open_questions(key)
        assert isinstance(question.data, dict)
        step_id = question.data["step_id"]
        assert step_id == "s3"
        await world.router.command_task(ALICE, ConfirmStep(task_id, str(step_id), approved=True))
        await world.tasks.wait_quiet()
        assert world.tasks.find(ALICE, task_id).view().result == "True"
        answers = [event.data for event in await told(world, task_id) if event.event_type == "step.confirmed"]
    assert answers == [
        {"step_id": "s0", "approved": False, "by": None},
        {"step_id": "s3", "approved": True, "by": "alice"},
    ]


async def test_one_that_was_asked_to_stop_is_not_started_again(autojump_clock: trio.abc.Clock) -> None:
    store, work = MemoryStore(), Work()
    async with life(store, work.agents) as world:
        task_id = await run(world, "one")
        await world.router.command_task(ALICE, CancelTask(task_id))
        await world.tasks.wait_quiet()
    async with life(store, work.agents) as world:
        await world.tasks.wait_quiet()
        assert (await types_told(world, task_id))[-1] == "task.cancelled"
    assert len(work.journals) == 1
