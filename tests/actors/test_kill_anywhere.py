"""Whatever clients do, and after whichever commit the engine falls: all that was answered is there, and nothing by
halves."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.agent import Agent, Result, TaskContext, resumable
from actors.commands import (
    AppendTurn,
    CancelTask,
    ClaimTask,
    ConfirmStep,
    CreateBatch,
    CreateSession,
    CreateTask,
    PostEvents,
    Publish,
    RegisterAgent,
    Say,
    TaskQuery,
    TaskState,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import Event, Json, Merge, draft
from actors.fold import members
from actors.lease import LeaseOptions
from actors.task_events import TASK_ENDS
from actors.tasks import TasksOptions
from tests.support.agents import echo
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ADMIN, ALICE, OPERATOR, PUBLISHER, Limits, World

Check: TypeAlias = Callable[[World], Awaitable[None]]


async def slow(task: TaskContext) -> Result:
    for piece in range(4):
        await task.message(f"{piece} ")
        await trio.sleep(0.3)
    return Result("slowly")


@resumable
async def steady(task: TaskContext) -> Result:
    async def first() -> str:
        await trio.sleep(0.4)
        return "once"

    return Result(f"{task.prompt} {await task.once(f'first-{task.turn}', first)}")


async def asking(task: TaskContext) -> Result:
    return Result("yes" if await task.confirm(f"s{task.turn}", "May I?") else "no")


AGENTS: dict[str, Agent] = {"echo": echo, "asking": asking, "slow": slow, "steady": steady}
LIMITS = Limits(tasks=TasksOptions(lease=LeaseOptions(lease_seconds=30, claim_seconds=30)), confirm_seconds=20)


class Acknowledged(msgspec.Struct, frozen=True):
    """What a client was answered when so many commits had taken place, and how to see that it holds."""

    commits: int
    check: Check


class Clients:
    """Several at once, each of which asks for this and that, and notes what it was answered."""

    def __init__(self, world: World, store: MemoryStore, rolls: random.Random) -> None:
        self.world = world
        self.acknowledged: list[Acknowledged] = []
        self._store = store
        self._rolls = rolls
        self._sessions: list[str] = []
        self._tasks: list[str] = []
        self._count = 0

    async def act(self, steps: int) -> None:
        deeds = (
            self._session,
            self._task,
            self._task,
            self._batch,
            self._publish,
            self._append,
            self._say,
            self._answer,
            self._stop,
            self._work,
        )
        for _ in range(steps):
            self._count += 1
            try:
                check = await self._rolls.choice(deeds)(str(self._count))
            except CallboardError:
                continue
            if check is not None:
                self.acknowledged.append(Acknowledged(self._store.commits, check))
            await trio.sleep(self._rolls.choice((0, 0, 0.05, 0.5)))

    async def _session(self, name: str) -> Check:
        view = await self.world.router.create_session(ALICE, CreateSession(title=name, agent="echo"))
        self._sessions.append(view.id)

        async def check(world: World) -> None:
            assert world.sessions.find(ALICE, view.id).view().title == name

        return check

    async def _task(self, name: str) -> Check:
        session_id = self._rolls.choice([None, *self._sessions])
        agent = self._rolls.choice(("echo", "asking", "slow", "steady", "helper"))
        command = CreateTask(agent=agent, prompt=name, session_id=session_id)
        view = await self.world.router.create_task(ALICE, command)
        self._tasks.append(view.id)

        async def check(world: World) -> None:
            again = world.tasks.find(ALICE, view.id).view()
            assert (again.prompt, again.agent, again.session_id) == (name, agent, session_id)
            assert again.position == view.position

        return check

    async def _batch(self, name: str) -> Check:
        tasks = tuple(CreateTask(agent=agent, prompt=name) for agent in ("echo", "steady"))
        view = await self.world.router.create_batch(ALICE, CreateBatch(tasks))
        self._tasks += view.task_ids

        async def check(world: World) -> None:
            again = world.router.batches.find(ALICE, view.id).view()
            assert again.task_ids == view.task_ids
            assert all(world.tasks.find(ALICE, task_id).record.batch_id == view.id for task_id in view.task_ids)

        return check

    async def _publish(self, name: str) -> Check:
        command = Publish("app", "news", draft("news", name), idempotency_key=name)
        first = await self.world.router.publish(PUBLISHER, command)

        async def check(world: World) -> None:
            again = await world.router.publish(PUBLISHER, command)
            assert (again.duplicate, again.position) == (True, first.position)

        return check

    async def _append(self, name: str) -> Check | None:
        if not self._tasks:
            return None
        task_id = self._rolls.choice(self._tasks)
        receipt = await self.world.router.command_task(ALICE, AppendTurn(task_id, name))

        async def check(world: World) -> None:
            view = world.tasks.find(ALICE, task_id).view()
            if view.agent == "steady" and view.state == "completed":
                assert receipt.turn is not None
                assert view.turns >= receipt.turn

        return check

    async def _say(self, name: str) -> Check | None:
        if not self._sessions:
            return None
        started = await self.world.router.say(ALICE, Say(session_id=self._rolls.choice(self._sessions), content=name))
        self._tasks.append(started.exec_id)

        async def check(world: World) -> None:
            assert world.tasks.find(ALICE, started.exec_id).view().prompt == name

        return check

    async def _answer(self, name: str) -> Check | None:
        asking = [event for key in self.world.tasks.asking(ALICE) for event in self.world.router.open_questions(key)]
        if not asking:
            return None
        answer = ConfirmStep(asking[0].key.topic, str(members(asking[0])["step_id"]), True, name)
        await self.world.router.command_task(ALICE, answer)
        told = await refused(self.world, answer)

        async def check(world: World) -> None:
            assert await refused(world, answer) == told
            assert told["answered_on"] == name

        return check

    async def _stop(self, name: str) -> Check | None:
        if not self._tasks:
            return None
        task_id = self._rolls.choice(self._tasks)
        receipt = await self.world.router.command_task(ALICE, CancelTask(task_id))

        async def check(world: World) -> None:
            if receipt.task.state is TaskState.CANCELLING:
                assert world.tasks.find(ALICE, task_id).view().state is TaskState.CANCELLED

        return check

    async def _work(self, name: str) -> Check | None:
        """The agent elsewhere claims a task, or posts an answer of it."""
        mine = [view for view in self.world.tasks.page(ADMIN, TaskQuery()).tasks if view.agent == "helper"]
        if not mine:
            return None
        task_id = self._rolls.choice(mine).id
        await self.world.router.command_task(OPERATOR, ClaimTask(task_id))
        piece = draft("agent.message", {"content": name}, merge=Merge.TEXT)
        last = [draft("task.completed", {"result": name})] if self._rolls.random() < 0.5 else []
        command = PostEvents(task_id, (piece, *last), name)
        await self.world.router.command_task(OPERATOR, command)

        async def check(world: World) -> None:
            events = await events_of(world, task_id)
            assert [event.data for event in events].count({"content": name}) == 1
            if last:
                assert {"task.turn_completed", "task.cancelled"} & {event.event_type for event in events}
            await world.router.command_task(OPERATOR, command)
            assert len(await events_of(world, task_id)) == len(events)

        return check


async def events_of(world: World, task_id: str) -> list[Event]:
    log = world.channels.log(world.tasks.find(ADMIN, task_id).key)
    return await log.page(0, max_events=10_000, max_bytes=1 << 30)


async def refused(world: World, answer: ConfirmStep) -> dict[str, Json]:
    """What one who answers too late is told."""
    with pytest.raises(CallboardError) as late:
        await world.router.command_task(ALICE, answer)
    assert late.value.code is ErrorCode.CONFLICT
    return late.value.details


async def answer_questions(world: World) -> None:
    while True:
        for key in world.tasks.asking(ALICE):
            for question in world.router.open_questions(key):
                await world.router.command_task(ALICE, ConfirmStep(key.topic, str(members(question)["step_id"]), True))
        await trio.sleep(1)


async def check_whole(world: World) -> None:
    """Every task has ended, once, and each conversation holds what its tasks have said, once."""
    views = world.tasks.page(ADMIN, TaskQuery(limit=1000)).tasks
    begun: list[tuple[str | None, str, object]] = []
    for view in views:
        events = await events_of(world, view.id)
        turns = [members(event) for event in events if event.event_type == "task.turn_started"]
        begun += [(view.session_id, view.id, turn["turn"]) for turn in turns if view.session_id is not None]
        assert [event.offset for event in events] == list(range(1, len(events) + 1))
        types = [event.event_type for event in events]
        assert [kind for kind in types if kind in TASK_ENDS] == types[-1:]
        assert types[-1] == f"task.{view.state}"
        assert types.count("task.started") <= 1
    for session in world.sessions.page(ADMIN, None, 1000).sessions:
        found = world.sessions.find(ADMIN, session.id)
        log = await world.channels.log(found.key).page(0, max_events=10_000, max_bytes=1 << 30)
        told = [event.data for event in log if event.event_type == "message"]
        assert [one["content"] for one in told if isinstance(one, dict)] == [
            one.content for one in found.record.history.messages
        ]
        ended = [event.data for event in log if event.event_type == "done"]
        done = [(one["exec_id"], one["state"]) for one in ended if isinstance(one, dict)]
        assert sorted(done) == sorted((view.id, view.state) for view in views if view.session_id == session.id)
        inputs = [members(event) for event in log if event.event_type == "input"]
        asked = [(session.id, str(one["exec_id"]), one["turn"]) for one in inputs]
        assert sorted(asked) == sorted(one for one in begun if one[0] == session.id)
        said = {members(event)["exec_id"] for event in log if event.event_type == "chat.message"}
        assert said <= {task_id for task_id, _ in done}


async def live_and_fall(seed: int, steps: int, falls: int) -> None:
    rolls = random.Random(seed)
    store = MemoryStore(pause=lambda: rolls.choice((0, 0.01, 0.2)))
    async with life(store, AGENTS, LIMITS) as world:
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
        before = store.commits
        images = store.watch_commits()
        clients = Clients(world, store, rolls)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(clients.act, steps)
    for commits in rolls.sample(range(len(images)), min(falls, len(images))):
        async with life(images[commits], AGENTS, LIMITS) as world, trio.open_nursery() as nursery:
            held = [one.check for one in clients.acknowledged if one.commits <= before + commits]
            nursery.start_soon(answer_questions, world)
            await world.tasks.wait_quiet()
            for check in held:
                await check(world)
            await check_whole(world)
            nursery.cancel_scope.cancel()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_all_that_was_answered_is_there_and_nothing_by_halves(seed: int, steps: int) -> None:
    trio.run(live_and_fall, seed, steps, 6, clock=MockClock(autojump_threshold=0))
