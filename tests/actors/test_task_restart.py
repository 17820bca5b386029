"""What a restart of the engine makes of tasks: nobody waits for ever on one, and nothing that it said is lost."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext
from actors.commands import (
    AppendTurn,
    CancelTask,
    CreateBatch,
    CreateSession,
    CreateTask,
    ExecSession,
    TaskQuery,
    TaskState,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey
from actors.journal import JournalOptions
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.drafts import fact
from tests.support.memory_store import MemoryStore
from tests.support.restart import life, told, types_told
from tests.support.world import ALICE, Limits, World


async def run(world: World, agent: str, session_id: str | None = None) -> str:
    task = CreateTask(agent=agent, prompt="hello", session_id=session_id, context={"deep": [{"a": None}]})
    task_id = (await world.router.create_task(ALICE, task)).id
    await wait_all_tasks_blocked()
    return task_id


async def test_one_that_ended_reads_as_before(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        task_id = await run(world, "echo")
        before, events = world.tasks.find(ALICE, task_id).view(), await told(world, task_id)
        assert before.result == "HELLO"
    async with life(store) as world:
        assert world.tasks.find(ALICE, task_id).view() == before
        assert await told(world, task_id) == events
        assert world.tasks.statistics().running == 0


async def test_one_that_ran_has_failed_with_what_it_had_said(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        task_id = await run(world, "forever")
        assert (await types_told(world, task_id))[-1] == "agent.message"
    async with life(store) as world:
        await world.tasks.wait_quiet()
        last = (await told(world, task_id))[-1]
        view = world.tasks.find(ALICE, task_id).view()
        assert (view.state, view.error and view.error.cause) == (TaskState.FAILED, "interrupted")
        assert last.event_type == "task.failed"
        assert isinstance(last.data, dict)
        assert (last.data["cause"], last.data["text"], last.data["turns"]) == ("interrupted", "begun ", 1)
    async with life(store) as world:
        assert world.tasks.find(ALICE, task_id).view() == view
        assert (await told(world, task_id))[-1] == last


async def test_its_partial_answer_joins_the_conversation(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession(title="T", agent="recalling"))).id
        await run(world, "echo", session_id)
        await run(world, "forever", session_id)
        created = world.sessions.find(ALICE, session_id).view()
    async with life(store) as world:
        await world.tasks.wait_quiet()
        session = world.sessions.find(ALICE, session_id)
        said = [(message.role, message.content) for message in session.record.history.messages]
        assert said == [("user", "hello"), ("assistant", "HELLO"), ("user", "hello"), ("assistant", "begun ")]
        assert (session.view().title, session.view().created_at) == ("T", created.created_at)
        events = await world.channels.log(session.key).page(0, max_events=100, max_bytes=1 << 20)
        assert [event.event_type for event in events][-5:] == ["message", "input", "output", "message", "done"]
        await world.router.exec_session(ALICE, ExecSession(session_id, "and now?"))
        await world.tasks.wait_quiet()
        assert session.record.history.messages[-1].content == "user:hello|assistant:HELLO|user:hello|assistant:begun "


async def test_what_was_asked_is_in_the_conversation_whenever_the_engine_falls(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        images = store.watch_commits()
        task_id = await run(world, "forever", session_id)
    interrupted = 0
    for image in images[1:]:
        async with life(image) as world:
            await wait_all_tasks_blocked()
            messages = world.sessions.find(ALICE, session_id).record.history.messages
            assert [message.content for message in messages if message.role == "user"] == ["hello"]
            interrupted += world.tasks.find(ALICE, task_id).record.state is TaskState.FAILED
    assert interrupted > 1


async def test_those_that_waited_for_their_turn_run(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        first = await run(world, "forever", session_id)
        waiting = [await run(world, "echo", session_id) for _ in range(5)]
        assert {world.tasks.find(ALICE, one).record.state for one in waiting} == {TaskState.QUEUED}
    async with life(store) as world:
        await world.tasks.wait_quiet()
        states = {world.tasks.find(ALICE, one).record.state for one in waiting}
        messages = world.sessions.find(ALICE, session_id).record.history.messages
        assert states == {TaskState.COMPLETED}
        assert list(dict.fromkeys(message.task_id for message in messages)) == [first, *waiting]


async def test_one_that_was_asked_to_stop_is_cancelled(autojump_clock: trio.abc.Clock) -> None:
    async def deaf(task: TaskContext) -> Result:
        with trio.CancelScope(shield=True):
            await trio.sleep(1000)
        return Result("never")

    store = MemoryStore()
    async with life(store, {"deaf": deaf}) as world:
        task_id = await run(world, "deaf")
        await world.router.command_task(ALICE, CancelTask(task_id))
        await wait_all_tasks_blocked()
        assert world.tasks.find(ALICE, task_id).record.state is TaskState.CANCELLING
    async with life(store, {}) as world:
        await world.tasks.wait_quiet()
        last = (await told(world, task_id))[-1]
        assert last.event_type == "task.cancelled"
        assert isinstance(last.data, dict)
        assert last.data["reason"] == "requested"


async def test_its_open_question_is_closed(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        task_id = await run(world, "asking")
        key = world.tasks.find(ALICE, task_id).key
        assert len(world.router.open_questions(key)) == 1
    async with life(store) as world:
        await world.tasks.wait_quiet()
        assert world.router.open_questions(key) == ()
        with pytest.raises(CallboardError, match="has ended"):
            await world.router.command_task(ALICE, AppendTurn(task_id, "more"))


async def test_pages_and_batches_go_on(autojump_clock: trio.abc.Clock) -> None:
    store, limits = MemoryStore(), Limits(tasks=TasksOptions(ended=3))
    async with life(store, limits=limits) as world:
        tasks = tuple(CreateTask(agent="echo", prompt=str(number)) for number in range(5))
        batch = await world.router.create_batch(ALICE, CreateBatch(tasks))
        await world.tasks.wait_quiet()
        await wait_all_tasks_blocked()
        # Which are forgotten is kept too.
        await world.channels.keeper.keep()
        page = world.tasks.page(ALICE, TaskQuery(limit=2))
        counted = world.router.batches.find(ALICE, batch.id).view()
        assert counted.counts[TaskState.COMPLETED] == 5
    async with life(store, limits=limits) as world:
        assert world.router.batches.find(ALICE, batch.id).view() == counted
        assert world.tasks.page(ALICE, TaskQuery(limit=2)) == page
        kept = [view.id for view in world.tasks.page(ALICE, TaskQuery(limit=10)).tasks]
        newest = await run(world, "echo")
        first, *rest = [view.id for view in world.tasks.page(ALICE, TaskQuery(limit=10)).tasks]
        # The one that ended first is gone: which of them that is, is a matter of the scheduling.
        assert (first, len(rest)) == (newest, 2)
        assert rest == [one for one in kept if one in rest]


async def test_a_creation_that_is_not_kept_is_refused_and_leaves_nothing(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore(seconds=0.1)
    async with life(store) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        store.fail("disk full")
        for _ in range(2):
            with pytest.raises(CallboardError, match="disk full") as refused:
                await world.router.create_task(ALICE, CreateTask(agent="echo", prompt="hi", session_id=session_id))
            assert refused.value.code is ErrorCode.UNAVAILABLE
        assert world.tasks.statistics().started_total == 0
        assert world.sessions.find(ALICE, session_id).is_idle
        store.recover()
        await trio.sleep(5)
        task_id = await run(world, "echo", session_id)
        await world.tasks.wait_quiet()
        assert [view.id for view in world.tasks.page(ALICE, TaskQuery()).tasks] == [task_id]


async def test_a_creation_that_is_given_up_before_its_commit_leaves_nothing(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore(seconds=1)
    full = Limits(journal=JournalOptions(waiting=1, batch=1, gather_seconds=0))
    async with life(store, limits=full) as world:
        session_id = (await world.router.create_session(ALICE, CreateSession())).id
        for _ in range(4):
            world.nursery.start_soon(world.channels.publish, ChannelKey("app", "busy"), fact(1))
        await wait_all_tasks_blocked()
        with trio.move_on_after(0.5) as waited:
            await world.router.create_task(ALICE, CreateTask(agent="forever", prompt="hi", session_id=session_id))
        assert waited.cancelled_caught
        await trio.sleep(10)
        assert world.tasks.page(ALICE, TaskQuery()).tasks == ()
        assert world.sessions.find(ALICE, session_id).is_idle
    assert await store.records("task") == []
    assert [topic.key.channel for topic in await store.topics()].count("task") == 0


async def test_one_that_ends_while_nothing_can_be_kept_ends_when_it_can(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        task_id = await run(world, "asking")
        store.fail("disk full")
        # It stops, but nobody is told that this is kept.
        with pytest.raises(CallboardError, match="disk full"):
            await world.router.command_task(ALICE, CancelTask(task_id))
        await trio.sleep(60)
        assert not world.tasks.find(ALICE, task_id).record.is_ended
        store.recover()
        await world.tasks.wait_quiet()
        assert (await types_told(world, task_id))[-1] == "task.cancelled"


async def test_an_agent_that_is_no_more(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store) as world:
        task_ids = [await run(world, "forever"), await run(world, "echo")]
        views = [world.tasks.find(ALICE, task_id).view() for task_id in task_ids]
    async with life(store, {"asking": AGENTS["asking"]}) as world:
        await world.tasks.wait_quiet()
        assert world.tasks.find(ALICE, task_ids[0]).record.state is TaskState.FAILED
        assert world.tasks.find(ALICE, task_ids[1]).view() == views[1]
