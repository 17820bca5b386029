"""Who hears of a task's end finds it ended, in the very step in which it is told."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import CancelTask, CreateTask, TaskState
from actors.event import Event
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, Lines, World

TERMINAL = {"task.completed", "task.failed", "task.cancelled"}


class Onlooker(Lines):
    """Looks at the task while what is told of its end is made ready for a client."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.found: list[TaskState] = []

    def encode(self, event: Event) -> bytes:
        if event.event_type in TERMINAL:
            self.found.append(self._world.tasks.find(ALICE, event.key.topic).view().state)
        return super().encode(event)


async def follow_to_the_end(world: World, agent: str) -> set[TaskState]:
    world.encoder = onlooker = Onlooker(world)
    connection, _ = world.connect(ALICE)
    task_id = (await world.router.create_task(ALICE, CreateTask(agent=agent, prompt="hello"))).id
    world.watch(connection, "task", task_id)
    if agent == "forever":
        await world.router.command_task(ALICE, CancelTask(task_id))
    await world.tasks.wait_quiet()
    await wait_all_tasks_blocked()
    return set(onlooker.found)


@pytest.mark.parametrize(("agent", "state"), [("echo", TaskState.COMPLETED), ("forever", TaskState.CANCELLED)])
async def test_of_what_passes(agent: str, state: TaskState, autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        assert await follow_to_the_end(World(nursery, AGENTS), agent) == {state}
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("agent", "state"), [("echo", TaskState.COMPLETED), ("forever", TaskState.CANCELLED)])
async def test_of_what_is_kept(agent: str, state: TaskState, autojump_clock: trio.abc.Clock) -> None:
    async with life(MemoryStore()) as world:
        assert await follow_to_the_end(world, agent) == {state}
