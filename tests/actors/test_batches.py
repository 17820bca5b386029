from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.batches import BATCH_RECORDS, Batches
from actors.commands import CancelTask, CreateBatch, CreateTask, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey
from actors.journal import JournalOptions
from actors.kept_task import BATCH_PART_RECORDS, TASK_RECORDS
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.drafts import fact
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, Limits, World


def batch(*agents: str) -> CreateBatch:
    return CreateBatch(tuple(CreateTask(agent=agent, prompt="hi") for agent in agents))


async def test_a_batch_counts_its_tasks_also_after_they_are_forgotten(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(tasks=TasksOptions(ended=0)))
        view = await world.router.create_batch(ALICE, batch("echo", "echo", "forever"))
        await wait_all_tasks_blocked()
        now = world.router.batches.find(ALICE, view.id).view()
        assert (now.counts[TaskState.COMPLETED], now.counts[TaskState.RUNNING], now.done) == (2, 1, False)
        assert now.task_ids == view.task_ids
        assert len(now.task_ids) == 3
        await world.router.command_task(ALICE, CancelTask(now.task_ids[2]))
        await wait_all_tasks_blocked()
        now = world.router.batches.find(ALICE, view.id).view()
        assert now.done
        assert sum(now.counts.values()) == 3
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (batch(), ErrorCode.INVALID_PAYLOAD),
        (batch(*["echo"] * 1001), ErrorCode.INVALID_PAYLOAD),
        (batch("echo", "nobody"), ErrorCode.NOT_FOUND),
        (batch(*["echo"] * 5), ErrorCode.BUSY),
        (CreateBatch((CreateTask(agent="echo", prompt="hi", session_id="s"),)), ErrorCode.NOT_FOUND),
    ],
)
async def test_whole_or_not_at_all(autojump_clock: trio.abc.Clock, command: CreateBatch, code: ErrorCode) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(tasks=TasksOptions(running=4)))
        with pytest.raises(CallboardError) as refused:
            await world.router.create_batch(ALICE, command)
        assert refused.value.code is code
        assert world.tasks.statistics().started_total == 0
        nursery.cancel_scope.cancel()


async def test_the_newest_are_kept(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        batches = Batches(world.tasks, world.launcher, limit=2)
        ids = [(await batches.create(ALICE, batch("echo"))).id for _ in range(3)]
        with pytest.raises(CallboardError, match="no batch"):
            batches.find(ALICE, ids[0])
        assert batches.find(ALICE, ids[1]).id == ids[1]
        nursery.cancel_scope.cancel()


async def test_what_is_kept_of_a_batch_goes_with_it(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, limits=Limits(tasks=TasksOptions(ended=2))) as world:
        batches = Batches(world.tasks, world.launcher, limit=1)
        for _ in range(4):
            await batches.create(ALICE, batch("echo", "echo"))
            await trio.sleep(1)
        # Of the batches that are gone before their tasks, too.
        assert len(await store.records(BATCH_RECORDS)) == 1
        assert await store.records(BATCH_PART_RECORDS) == []
        await world.router.create_task(ALICE, CreateTask(agent="echo", prompt="pushes one of the last batch out"))
        await trio.sleep(1)
        assert len(await store.records(BATCH_PART_RECORDS)) == 1


async def test_a_batch_that_is_cut_off_while_it_is_kept_is_there_whole(autojump_clock: trio.abc.Clock) -> None:
    """It is too late: all hear of it in the same commit."""
    store = MemoryStore(seconds=1)
    async with life(store) as world:
        with trio.move_on_after(0.5):
            await world.router.create_batch(ALICE, batch("echo", "echo"))
        await trio.sleep(9)
        (one,) = await store.records(BATCH_RECORDS)
        view = world.router.batches.find(ALICE, one[0]).view()
        assert sorted(view.task_ids) == [name for name, _ in await store.records(TASK_RECORDS)]
        assert view.done


async def test_a_batch_that_is_cut_off_while_it_waits_leaves_nothing(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore(seconds=1)
    full = Limits(journal=JournalOptions(waiting=1, batch=1, gather_seconds=0))
    async with life(store, limits=full) as world, trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(world.channels.publish, ChannelKey("app", "busy"), fact(1))
        await wait_all_tasks_blocked()
        with trio.move_on_after(0.5) as cut:
            await world.router.create_batch(ALICE, batch("echo", "echo"))
        assert cut.cancelled_caught
        await trio.sleep(9)
        assert await store.records(BATCH_RECORDS) == []
        assert await store.records(TASK_RECORDS) == []
        assert [topic.key.channel for topic in await store.topics()] == ["app"]
