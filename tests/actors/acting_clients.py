"""Clients that ask for this and that, and note what they were answered and how to see that it holds."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
import pytest
import trio

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
    Say,
    TaskQuery,
    TaskState,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import Event, Json, Merge, draft
from actors.fold import members
from tests.support.memory_store import MemoryStore
from tests.support.world import ADMIN, ALICE, OPERATOR, PUBLISHER, World

Check: TypeAlias = Callable[[World], Awaitable[None]]


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
