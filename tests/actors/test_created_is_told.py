"""That a task was created is told in the commit that creates it: no fall of the engine comes between the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.commands import CreateBatch, CreateSession, CreateTask, Say
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey
from actors.kept_task import TASK_RECORDS
from actors.tasks import TasksOptions
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, Limits, World

NEWS = [ChannelKey("system", "tasks", owner) for owner in ("alice", "*")]
BATCHES = ChannelKey("system", "batches", "alice")


async def one(world: World) -> None:
    await world.router.create_task(ALICE, CreateTask(agent="forever", prompt="go"))


async def batch(world: World) -> None:
    tasks = tuple(CreateTask(agent="forever", prompt=prompt) for prompt in "ab")
    await world.router.create_batch(ALICE, CreateBatch(tasks))


async def said(world: World) -> None:
    session = await world.router.create_session(ALICE, CreateSession(agent="forever"))
    await world.router.say(ALICE, Say(session_id=session.id, content="go", details={}))


def told(store: MemoryStore, key: ChannelKey) -> list[str]:
    events = [event for event in store.events(key) if event.event_type == "task.created"]
    return sorted(str(event.data["task_id"]) for event in events if isinstance(event.data, dict))


@pytest.mark.parametrize("create", [one, batch, said])
async def test_whenever_the_engine_falls(autojump_clock: MockClock, create: Callable[[World], Awaitable[None]]) -> None:
    store = MemoryStore()
    images = store.watch_commits()
    async with life(store) as world:
        await create(world)
        await wait_all_tasks_blocked()
    kept = [[name for name, _ in await image.records(TASK_RECORDS)] for image in images]
    assert kept[-1]
    for image, tasks in zip(images, kept, strict=True):
        for key in NEWS:
            assert told(image, key) == tasks
        assert len(image.events(BATCHES)) == (create is batch and bool(tasks))


async def test_who_is_told_finds_the_task(autojump_clock: MockClock) -> None:
    """Also before the one who has created it hears of it."""
    found: list[str] = []
    async with life(MemoryStore()) as world:

        class Curious:
            is_heard = False

            def notice(self, key: ChannelKey) -> None:
                (event,) = world.channels.log(key).in_memory()
                assert isinstance(event.data, dict)
                if key == BATCHES:
                    found.append(world.router.batches.find(ALICE, str(event.data["batch_id"])).id)
                else:
                    task_id = str(event.data["task_id"])
                    found.append(world.router.resolve(ALICE, "task", task_id).topic)
                    assert world.tasks.find(ALICE, task_id).view().id == task_id

        for key in (*NEWS, BATCHES):
            world.channels.watch(key, Curious())
        view = await world.router.create_batch(ALICE, CreateBatch((CreateTask(agent="forever", prompt="go"),)))
        assert found == [view.task_ids[0], view.task_ids[0], view.id]


async def test_one_that_is_refused_is_told_to_nobody(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        store.fail("disk full")
        with pytest.raises(CallboardError, match="disk full"):
            await one(world)
        store.recover()
        await trio.sleep(10)
        assert store.events(NEWS[0]) == []
        assert world.tasks.statistics().running == 0


async def test_whoever_has_asked_for_it_may_go_meanwhile(autojump_clock: MockClock) -> None:
    store = MemoryStore(seconds=1)
    async with life(store) as world:
        with trio.move_on_after(0.5) as gone:
            await one(world)
        assert not gone.cancelled_caught, "it waits for what is on its way"
        assert world.tasks.statistics().running == 1
        await trio.sleep(5)
        assert len(told(store, NEWS[0])) == 1


async def test_a_commit_that_takes_too_long_is_an_error_and_the_task_has_failed(autojump_clock: MockClock) -> None:
    store = MemoryStore(seconds=30)
    async with life(store, limits=Limits(tasks=TasksOptions(ask_seconds=10))) as world:
        with pytest.raises(CallboardError, match="in time") as refused:
            await one(world)
        assert refused.value.code is ErrorCode.UNAVAILABLE
        assert world.tasks.statistics().running == 0
        await trio.sleep(200)
        for key in NEWS:
            assert [event.event_type for event in store.events(key)] == ["task.created", "task.failed"]
        assert await store.records(TASK_RECORDS) == []
