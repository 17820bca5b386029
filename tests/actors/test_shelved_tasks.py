"""Tasks that ended before a restart: not made again until they are asked for, and then as they were."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext
from actors.commands import CreateBatch, CreateSession, CreateTask, TaskQuery, TaskState, TaskView
from actors.principal import Principal
from actors.shelved_task import ShelvedTask
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ADMIN, ALICE, BOB, Limits, World


async def failing(_: TaskContext) -> Result:
    raise ValueError("no")


SOME = {**AGENTS, "failing": failing}


async def run(world: World, who: Principal, agent: str, session_id: str | None = None) -> str:
    task_id = (await world.router.create_task(who, CreateTask(agent=agent, prompt="hi", session_id=session_id))).id
    await wait_all_tasks_blocked()
    return task_id


def made(world: World) -> int:
    """How many of the known tasks are more than their records."""
    return sum(not isinstance(task, ShelvedTask) for task in world.tasks._all.values())


def pages(world: World, who: Principal, query: TaskQuery) -> list[TaskView]:
    found: list[TaskView] = []
    after: str | None = None
    while True:
        page = world.tasks.page(who, TaskQuery(query.state, query.session_id, after, query.limit))
        found += page.tasks
        after = page.next
        if after is None:
            return found


QUERIES = (
    TaskQuery(limit=2),
    TaskQuery(state=TaskState.FAILED, limit=2),
    TaskQuery(state=TaskState.COMPLETED, limit=1),
    TaskQuery(state=TaskState.RUNNING),
)


async def test_pages_of_them_are_as_before(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, SOME) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        for who, agent in ((ALICE, "echo"), (BOB, "echo"), (ALICE, "failing"), (ALICE, "echo"), (BOB, "failing")):
            await run(world, who, agent)
        await run(world, ALICE, "echo", session_id)
        queries = (*QUERIES, TaskQuery(session_id=session_id))
        before = [pages(world, who, query) for who in (ALICE, BOB, ADMIN) for query in queries]
        assert [len(found) for found in before] == [4, 1, 3, 0, 1, 2, 1, 1, 0, 0, 6, 2, 4, 0, 1]
    async with life(store, SOME) as world:
        assert made(world) == 0
        assert [pages(world, who, query) for who in (ALICE, BOB, ADMIN) for query in queries] == before
        newest = await run(world, ALICE, "echo")
        assert pages(world, ALICE, TaskQuery())[0].id == newest


async def test_only_what_is_asked_for_is_made_again(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, SOME) as world:
        ids = [await run(world, ALICE, "echo") for _ in range(6)]
    async with life(store, SOME) as world:
        world.tasks.find(ALICE, ids[2])
        assert made(world) == 1
        assert len(world.tasks.page(ALICE, TaskQuery(limit=2)).tasks) == 2
        assert made(world) == 4
        assert world.tasks.find(ALICE, ids[2]) is world.tasks.find(ALICE, ids[2])


async def test_a_batch_counts_them_without_making_them(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, SOME) as world:
        tasks = (CreateTask(agent="echo", prompt="hi"), CreateTask(agent="failing", prompt="hi"))
        batch_id = (await world.router.create_batch(ALICE, CreateBatch(tasks))).id
        await world.tasks.wait_quiet()
        before = world.router.batches.find(ALICE, batch_id).view()
    async with life(store, SOME) as world:
        assert world.router.batches.find(ALICE, batch_id).view() == before
        assert before.done
        assert made(world) == 0


async def test_beyond_the_limit_the_oldest_go_with_all_that_was_kept_of_them(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, SOME) as world:
        ids = [await run(world, ALICE, "echo") for _ in range(5)]
    async with life(store, SOME, Limits(tasks=TasksOptions(ended=2))) as world:
        world.launcher.revive()
        await world.channels.keeper.keep()
        assert [view.id for view in pages(world, ALICE, TaskQuery())] == ids[:2:-1]
    async with life(store, SOME) as world:
        assert [view.id for view in pages(world, ALICE, TaskQuery())] == ids[:2:-1]
        assert {topic.key.topic for topic in await store.topics() if topic.key.channel == "task"} == set(ids[3:])
