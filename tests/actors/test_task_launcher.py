"""What becomes of a task between its admission and its run: it is kept, started, or nothing is left of it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.childspec import ChildSpec
from actors.commands import CreateBatch, CreateSession, CreateTask, Say, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.spawner import CannotSpawn
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, Limits, World

FOREVER = CreateTask(agent="forever", prompt="hello")


class Narrow:
    """A supervisor of few children."""

    def __init__(self, nursery: trio.Nursery, room: int) -> None:
        self._nursery = nursery
        self.room = room

    def start_child_nowait(self, spec: ChildSpec) -> None:
        if self.room == 0:
            raise CannotSpawn("full")
        self.room -= 1
        self._nursery.start_soon(self._run, spec)

    async def _run(self, spec: ChildSpec) -> None:
        await spec.run(trio.TASK_STATUS_IGNORED)
        self.room += 1


async def test_one_that_is_admitted_and_not_kept_yet_takes_a_place(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, limits=Limits(tasks=TasksOptions(running=1))) as world:
        store.slow_down(5.0)
        world.nursery.start_soon(world.router.create_task, ALICE, FOREVER)
        await wait_all_tasks_blocked()
        assert world.tasks.running == 0
        with pytest.raises(CallboardError, match="0 are free") as refused:
            await world.router.create_task(ALICE, FOREVER)
        assert refused.value.code is ErrorCode.BUSY
        await trio.sleep(6)
        assert world.tasks.running == 1


async def test_an_engine_that_stops_admits_nothing_and_lets_run_what_runs(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        view = await world.router.create_task(ALICE, FOREVER)
        world.launcher.stop_admitting()
        with pytest.raises(CallboardError, match="stopping") as refused:
            await world.router.create_task(ALICE, FOREVER)
        assert (refused.value.code, refused.value.retry_after) == (ErrorCode.BUSY, 5.0)
        await wait_all_tasks_blocked()
        assert world.tasks.find(ALICE, view.id).record.state is TaskState.RUNNING
        nursery.cancel_scope.cancel()


async def test_what_could_not_be_started_takes_no_place(autojump_clock: trio.abc.Clock) -> None:
    class Full:
        def start_child_nowait(self, spec: object) -> None:
            raise RuntimeError("full")

    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        world.launcher._supervisor = Full()
        with pytest.raises(RuntimeError, match="full"):
            await world.router.create_task(ALICE, CreateTask(agent="echo", prompt="hi", session_id=session_id))
        await world.tasks.wait_quiet()
        assert world.tasks.statistics().started_total == 0
        assert world.sessions.find(ALICE, session_id).is_idle
        nursery.cancel_scope.cancel()


async def test_what_the_supervisor_takes_no_more_of_a_batch_is_started_later(autojump_clock: trio.abc.Clock) -> None:
    """All were told of it in the commit that keeps it."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        world.launcher._supervisor = narrow = Narrow(nursery, room=2)
        view = await world.router.create_batch(ALICE, CreateBatch((FOREVER,) * 3))
        await wait_all_tasks_blocked()
        states = [world.tasks.find(ALICE, one).record.state for one in view.task_ids]
        assert states == [TaskState.RUNNING, TaskState.RUNNING, TaskState.QUEUED]
        narrow.room = 1
        world.launcher.revive()
        await wait_all_tasks_blocked()
        assert world.tasks.find(ALICE, view.task_ids[-1]).record.state is TaskState.RUNNING
        nursery.cancel_scope.cancel()


async def test_what_a_conversation_was_told_of_is_started_later(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session = await world.router.create_session(ALICE, CreateSession(agent="echo"))
        world.launcher._supervisor = narrow = Narrow(nursery, room=0)
        started = await world.router.say(ALICE, Say(session_id=session.id, content="hi"))
        assert world.tasks.find(ALICE, started.exec_id).record.state is TaskState.QUEUED
        world.launcher.revive()
        narrow.room = 1
        world.launcher.revive()
        await wait_all_tasks_blocked()
        assert world.tasks.find(ALICE, started.exec_id).record.state is TaskState.COMPLETED
        nursery.cancel_scope.cancel()


async def test_more_than_may_run_at_once_are_ended_one_after_the_other(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        task_ids = [(await world.router.create_task(ALICE, FOREVER)).id for _ in range(5)]
        await wait_all_tasks_blocked()
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, store=store)
        world.launcher._supervisor = Narrow(nursery, room=2)
        await world.take_up()
        while world.tasks.running:
            await trio.sleep(1)
            world.launcher.revive()
        assert {world.tasks.find(ALICE, one).record.state for one in task_ids} == {TaskState.FAILED}
        nursery.cancel_scope.cancel()
