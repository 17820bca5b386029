"""However a task is ended, and whatever fails beside it: one last event, and a place that is free again."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import AgentError, Result, TaskContext
from actors.channels_options import ChannelsOptions
from actors.commands import AppendTurn, CancelTask, CreateSession, CreateTask, Publish, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.tasks import TasksOptions
from tests.support.agents import AGENTS
from tests.support.drafts import fact
from tests.support.spawners import MortalSpawner
from tests.support.world import ADMIN, ALICE, Limits, World

TERMINAL = ("task.completed", "task.failed", "task.cancelled")


def told(world: World, task_id: str) -> list[str]:
    log = world.channels.log(world.tasks.find(ALICE, task_id).key)
    return [event.event_type for event in log.read(0, max_events=1000, max_bytes=10**9)]


def last_reason(world: World, task_id: str) -> object:
    log = world.channels.log(world.tasks.find(ALICE, task_id).key)
    data = log.read(log.tail - 1, max_events=1, max_bytes=0)[0].data
    assert isinstance(data, dict)
    return data.get("reason", data.get("cause"))


class Stoppable:
    """A world whose tasks, sessions or channels can be stopped as their supervisor would."""

    def __init__(self, nursery: trio.Nursery, limits: Limits | None = None) -> None:
        # Each topic by its actor: what has no task cannot be stopped.
        self.world = World(nursery, AGENTS, limits or Limits(channels=ChannelsOptions(in_place=-1)))
        self.tasks, self.sessions, self.channels = (MortalSpawner(nursery) for _ in range(3))
        self.world.launcher._supervisor = self.tasks
        self.world.sessions._supervisor = self.sessions
        self.world.channels._factory._supervisor = self.channels

    async def run(self, agent: str, session_id: str | None = None) -> str:
        command = CreateTask(agent=agent, prompt="hi", session_id=session_id)
        task_id = (await self.world.router.create_task(ALICE, command)).id
        await wait_all_tasks_blocked()
        return task_id


async def test_stopped_without_its_session(autojump_clock: trio.abc.Clock) -> None:
    """A conversation whose actor is gone takes its time, and not the task's last event."""
    async with trio.open_nursery() as nursery:
        parts = Stoppable(nursery)
        session_id = (await parts.world.router.create_session(ALICE, CreateSession())).id
        task_id = await parts.run("forever", session_id)
        parts.sessions.lose_all()
        await wait_all_tasks_blocked()
        begin = trio.current_time()
        parts.tasks.lose_all()
        await parts.world.tasks.wait_quiet()
        assert trio.current_time() - begin <= 2.0
        assert told(parts.world, task_id)[-1] == "task.cancelled"
        assert last_reason(parts.world, task_id) == "shutdown"
        parts.world.sessions.revive()
        await wait_all_tasks_blocked()
        assert parts.world.sessions.find(ALICE, session_id).is_idle
        nursery.cancel_scope.cancel()


async def test_stopped_without_its_topic(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        parts = Stoppable(nursery)
        task_id = await parts.run("forever")
        parts.channels.lose_all()
        await wait_all_tasks_blocked()
        begin = trio.current_time()
        parts.tasks.lose_all()
        await parts.world.tasks.wait_quiet()
        assert trio.current_time() - begin == pytest.approx(2.0)
        parts.world.channels.revive()
        await wait_all_tasks_blocked()
        assert [one for one in told(parts.world, task_id) if one in TERMINAL] == ["task.cancelled"]
        nursery.cancel_scope.cancel()


async def test_stopped_while_it_leaves_its_session(autojump_clock: trio.abc.Clock) -> None:
    """The agent had come to its end: that stands, and is told once."""
    async with trio.open_nursery() as nursery:
        parts = Stoppable(nursery)
        session_id = (await parts.world.router.create_session(ALICE, CreateSession())).id
        task_id = await parts.run("asking", session_id)
        parts.sessions.lose_all()
        await trio.sleep(61)  # The question times out, and the task waits for its session.
        assert parts.world.tasks.find(ALICE, task_id).record.is_ending
        parts.tasks.lose_all()
        parts.world.sessions.revive()
        await wait_all_tasks_blocked()
        assert [one for one in told(parts.world, task_id) if one in TERMINAL] == ["task.completed"]
        page = parts.world.sessions.messages(ALICE, session_id, 0, 10)
        assert [one.content for one in page.messages] == ["hi", "no"]
        nursery.cancel_scope.cancel()


async def test_stopped_while_its_last_word_is_under_way(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        parts = Stoppable(nursery)
        task_id = await parts.run("asking")
        parts.channels.lose_all()
        await trio.sleep(61)
        parts.tasks.lose_all()
        parts.world.channels.revive()
        await wait_all_tasks_blocked()
        assert [one for one in told(parts.world, task_id) if one in TERMINAL] == ["task.completed"]
        nursery.cancel_scope.cancel()


async def test_while_it_ends_it_takes_nothing_more(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        parts = Stoppable(nursery)
        task_id = await parts.run("asking")
        parts.channels.lose_all()
        await trio.sleep(61)
        assert not parts.world.tasks.find(ALICE, task_id).record.is_ended
        with pytest.raises(CallboardError) as refused:
            await parts.world.router.publish(ADMIN, Publish("task", task_id, fact(1)))
        assert refused.value.code is ErrorCode.CONFLICT
        with pytest.raises(CallboardError) as refused:
            await parts.world.router.command_task(ALICE, AppendTurn(task_id, "more"))
        assert refused.value.code is ErrorCode.CONFLICT
        assert not (await parts.world.router.command_task(ALICE, CancelTask(task_id))).cancel_requested
        parts.world.channels.revive()
        await wait_all_tasks_blocked()
        assert told(parts.world, task_id)[-1] == "task.completed"
        nursery.cancel_scope.cancel()


async def unfit_data(task: TaskContext) -> Result:
    return Result("x", data={"a": object()})  # type: ignore[dict-item]  # as an agent without types would


async def unfit_error(task: TaskContext) -> Result:
    raise AgentError("no_file", "not found: \udcff.txt")


async def unfit_crash(task: TaskContext) -> Result:
    raise FileNotFoundError("\udcff.txt")


@pytest.mark.parametrize(
    ("agent", "cause"),
    [(unfit_data, "bad_result"), (unfit_error, "no_file"), (unfit_crash, "agent_crashed")],
)
async def test_what_json_cannot_hold_is_an_end_all_the_same(
    autojump_clock: trio.abc.Clock, agent: object, cause: str
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {"unfit": agent})  # type: ignore[dict-item]  # one of the agents above
        view = await world.router.create_task(ALICE, CreateTask(agent="unfit", prompt="hi"))
        await wait_all_tasks_blocked()
        assert told(world, view.id)[-1] == "task.failed"
        assert last_reason(world, view.id) == cause
        nursery.cancel_scope.cancel()


async def test_nothing_is_left_of_tasks_that_are_forgotten(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(tasks=TasksOptions(ended=1)))
        follower, _ = world.connect(ALICE)
        world.watch(follower, "task")
        ids = []
        for _ in range(4):
            ids.append((await world.router.create_task(ALICE, CreateTask(agent="echo", prompt="hi"))).id)
            await wait_all_tasks_blocked()
        handle = weakref.ref(world.tasks.find(ALICE, ids[-1]))
        assert follower.topics("task") == (ids[-1],)
        assert world.channels.statistics().subscriptions == 1
        for _ in range(2):
            await world.router.create_task(ALICE, CreateTask(agent="echo", prompt="hi"))
            await wait_all_tasks_blocked()
        gc.collect()
        assert handle() is None
        nursery.cancel_scope.cancel()


async def test_a_shelved_topic_asks_who_comes(autojump_clock: trio.abc.Clock) -> None:
    """Nobody was there when the question was asked, and its topic has been put away since."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(channels=ChannelsOptions(idle_seconds=1.0)))
        view = await world.router.create_task(ALICE, CreateTask(agent="asking", prompt="hi"))
        await trio.sleep(3)
        await world.channels.sweep.run()
        assert view.state is TaskState.QUEUED
        connection, sink = world.connect(ALICE)
        world.watch(connection, "task")
        assert [line.split(" ")[1] for line in sink.lines] == ["step.confirm"]
        nursery.cancel_scope.cancel()
