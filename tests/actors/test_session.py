from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext
from actors.commands import CancelTask, CreateSession, CreateTask, ExecSession, TaskState
from actors.errors import CallboardError, ErrorCode
from actors.sessions import Sessions, SessionsOptions
from tests.support.agents import AGENTS
from tests.support.drafts import Seen, read_back
from tests.support.spawners import MortalSpawner
from tests.support.world import ALICE, BOB, Limits, MemorySink, World


async def open_session(world: World, agent: str = "echo") -> str:
    return (await world.router.create_session(ALICE, CreateSession(agent=agent))).id


async def say(world: World, session_id: str, agent: str, prompt: str) -> str:
    command = CreateTask(agent=agent, prompt=prompt, session_id=session_id)
    return (await world.router.create_task(ALICE, command)).id


def state_of(world: World, task_id: str) -> TaskState:
    return world.tasks.find(ALICE, task_id).record.state


def spoken(world: World, session_id: str) -> list[str]:
    page = world.sessions.messages(ALICE, session_id, 0, 100)
    return [f"{message.role}:{message.content}" for message in page.messages]


def watch_session(world: World, session_id: str) -> MemorySink:
    connection, sink = world.connect(ALICE)
    world.watch(connection, "session", session_id)
    return sink


def events(sink: MemorySink) -> list[Seen]:
    return [read_back(line) for line in sink.lines]


async def test_tasks_take_turns_in_the_order_they_came(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session_id = await open_session(world)
        first = await say(world, session_id, "forever", "one")
        await wait_all_tasks_blocked()
        second = await say(world, session_id, "recalling", "two")
        await wait_all_tasks_blocked()
        third = await say(world, session_id, "recalling", "three")
        await wait_all_tasks_blocked()
        assert [state_of(world, task) for task in (first, second, third)] == ["running", "queued", "queued"]
        await world.router.command_task(ALICE, CancelTask(first))
        await wait_all_tasks_blocked()
        assert spoken(world, session_id) == [
            "user:one",
            "assistant:begun ",
            "user:two",
            "assistant:user:one|assistant:begun ",
            "user:three",
            "assistant:user:one|assistant:begun |user:two|assistant:user:one|assistant:begun ",
        ]
        nursery.cancel_scope.cancel()


async def test_who_is_cancelled_while_waiting_leaves_the_queue(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session_id = await open_session(world)
        sink = watch_session(world, session_id)
        first = await say(world, session_id, "forever", "one")
        await wait_all_tasks_blocked()
        second, third = [await say(world, session_id, "echo", prompt) for prompt in ("two", "three")]
        await wait_all_tasks_blocked()
        await world.router.command_task(ALICE, CancelTask(second))
        await wait_all_tasks_blocked()
        assert state_of(world, second) is TaskState.CANCELLED
        assert state_of(world, first) is TaskState.RUNNING
        await world.router.command_task(ALICE, CancelTask(first))
        await wait_all_tasks_blocked()
        assert state_of(world, third) is TaskState.COMPLETED
        done = [one.data for one in events(sink) if one.event_type == "done"]
        assert done == [
            {"exec_id": second, "state": "cancelled"},
            {"exec_id": first, "state": "cancelled"},
            {"exec_id": third, "state": "completed"},
        ]
        assert spoken(world, session_id) == ["user:one", "assistant:begun ", "user:three", "assistant:THREE"]
        nursery.cancel_scope.cancel()


async def test_an_exec_is_told_on_the_session(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session_id = await open_session(world)
        sink = watch_session(world, session_id)
        started = await world.router.exec_session(ALICE, ExecSession(session_id, "hello"))
        await wait_all_tasks_blocked()
        seen = events(sink)
        assert [one.event_type for one in seen] == ["message", "input", "output", "message", "done"]
        assert seen[0].data == {"role": "user", "content": "hello", "task_id": started.exec_id, "index": 0}
        assert seen[1].data == {"exec_id": started.exec_id, "turn": 1, "content": "hello"}
        assert seen[2].data == {"exec_id": started.exec_id, "content": "hello"}
        assert seen[3].data == {"role": "assistant", "content": "HELLO", "task_id": started.exec_id, "index": 1}
        assert seen[4].data == {"exec_id": started.exec_id, "state": "completed"}
        view = world.sessions.find(ALICE, session_id).view()
        assert (view.messages, view.user_id, view.agent) == (2, "alice", "echo")
        nursery.cancel_scope.cancel()


async def test_a_session_of_somebody_else_is_not_there(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session_id = await open_session(world)
        for attempt in (session_id, "session-0"):
            with pytest.raises(CallboardError) as refused:
                await world.router.exec_session(BOB, ExecSession(attempt, "hi"))
            assert refused.value.code is ErrorCode.NOT_FOUND
        assert world.sessions.page(BOB, None, 10).sessions == ()
        nursery.cancel_scope.cancel()


async def test_beyond_the_limit_an_idle_one_goes_and_none_in_use(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(sessions=SessionsOptions(sessions=2, default_agent="echo")))
        used = await open_session(world)
        # Its task has had no turn yet, and still the session is in use.
        task_id = await say(world, used, "echo", "hi")
        idle = [await open_session(world) for _ in range(2)]
        with pytest.raises(CallboardError, match="no session"):
            world.sessions.find(ALICE, idle[0])
        await wait_all_tasks_blocked()
        assert state_of(world, task_id) is TaskState.COMPLETED
        for session_id in (used, idle[1]):
            await say(world, session_id, "forever", "hi")
        with pytest.raises(CallboardError) as refused:
            await open_session(world)
        assert refused.value.code is ErrorCode.BUSY
        nursery.cancel_scope.cancel()


async def test_pages(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        ids = [await open_session(world) for _ in range(3)]
        page = world.sessions.page(ALICE, None, 2)
        assert [view.id for view in page.sessions] == [ids[2], ids[1]]
        rest = world.sessions.page(ALICE, page.next, 2)
        assert ([view.id for view in rest.sessions], rest.next) == ([ids[0]], None)
        await say(world, ids[0], "echo", "hi")
        await wait_all_tasks_blocked()
        first = world.sessions.messages(ALICE, ids[0], 0, 1)
        assert (first.messages[0].content, first.next) == ("hi", 1)
        second = world.sessions.messages(ALICE, ids[0], 1, 1)
        assert (second.messages[0].content, second.next) == ("HI", None)
        nursery.cancel_scope.cancel()


async def test_what_json_cannot_hold_stays_out_of_the_conversation(autojump_clock: trio.abc.Clock) -> None:
    async def unfit(task: TaskContext) -> Result:
        await task.message("so far so good")
        return Result("half a surrogate: \ud800")

    async with trio.open_nursery() as nursery:
        world = World(nursery, {"unfit": unfit})
        session_id = await open_session(world, "unfit")
        task_id = await say(world, session_id, "unfit", "hi")
        await wait_all_tasks_blocked()
        assert state_of(world, task_id) is TaskState.FAILED
        assert spoken(world, session_id) == ["user:hi", "assistant:so far so good"]
        nursery.cancel_scope.cancel()


async def test_leaving_twice_is_leaving_once(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        session_id = await open_session(world)
        sink = watch_session(world, session_id)
        session = world.sessions.open(ALICE, session_id)
        session.expect("t1")
        await session.enter("t1")
        for _ in range(2):
            await session.leave("t1", (), "completed")
        await wait_all_tasks_blocked()
        assert [one.event_type for one in events(sink)] == ["done"]
        assert session.is_idle
        nursery.cancel_scope.cancel()


async def test_revival_goes_on_with_who_waits(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        spawner = MortalSpawner(nursery)
        sessions = Sessions(spawner, world.channels, SessionsOptions())
        busy, idle = [sessions.open(ALICE, sessions.create(ALICE, CreateSession()).id) for _ in range(2)]
        busy.expect("t1")
        busy.expect("t2")
        await busy.enter("t1")
        entered = trio.Event()

        async def second() -> None:
            await busy.enter("t2")
            entered.set()

        nursery.start_soon(second)
        await wait_all_tasks_blocked()
        spawner.lose_all()
        nursery.start_soon(busy.leave, "t1", (), "completed")
        await wait_all_tasks_blocked()
        assert not entered.is_set()
        sessions.revive()
        assert spawner.started == [f"session {busy.id}"]
        await entered.wait()
        assert not idle.running
        nursery.cancel_scope.cancel()
