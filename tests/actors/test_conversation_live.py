"""What is said joins its conversation as it is said: live, once, in order, also where a task fails or is cancelled."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.agent import AgentError, Message, Result, TaskContext
from actors.channel import Addition
from actors.commands import AppendTurn, CancelTask, CreateSession, CreateTask
from actors.event import ChannelKey, draft
from actors.redaction import TaskRedaction
from actors.redactor import Redactor
from actors.session import Session
from tests.support.agents import AGENTS
from tests.support.remote import RemoteAgent, completed, message
from tests.support.world import ALICE, World


async def patient(task: TaskContext) -> Result:
    """Answers each turn, until one says `stop`."""
    while (prompt := await task.next_turn()) != "stop":
        await task.message(f"{prompt}!")
    return Result("stopped")


async def failing(task: TaskContext) -> Result:
    await task.message("half an ans")
    await trio.sleep(1)
    raise AgentError("no_luck", "there was no luck")


async def open_session(world: World, agent: str = "echo") -> Session:
    return await world.router.open_session(ALICE, CreateSession(agent=agent, key="k"))


async def say(world: World, session: Session, agent: str, prompt: str) -> str:
    command = CreateTask(agent=agent, prompt=prompt, session_id=session.id)
    return (await world.router.create_task(ALICE, command)).id


def told(world: World, session: Session) -> list[str]:
    """The messages that the session's topic tells, each with its index."""
    found = []
    for event in world.channels.log(session.key).read(0, max_events=1000, max_bytes=1 << 22):
        if event.event_type == "message" and isinstance(event.data, dict):
            found.append("{index} {role}: {content}".format_map(event.data))
    return found


def kept(session: Session) -> list[str]:
    first = session.record.history.first
    return [f"{first + count} {one.role}: {one.content}" for count, one in enumerate(session.record.history.messages)]


async def test_a_question_is_told_while_its_task_runs(autojump_clock: trio.abc.Clock, nursery: trio.Nursery) -> None:
    world = World(nursery, AGENTS)
    session = await open_session(world)
    task_id = await say(world, session, "forever", "hello")
    await wait_all_tasks_blocked()
    assert told(world, session) == kept(session) == ["0 user: hello"]
    await world.router.command_task(ALICE, CancelTask(task_id))
    await wait_all_tasks_blocked()
    assert told(world, session) == kept(session) == ["0 user: hello", "1 assistant: begun "]


async def test_each_turn_is_told_as_the_next_begins(autojump_clock: trio.abc.Clock, nursery: trio.Nursery) -> None:
    world = World(nursery, {"patient": patient})
    session = await open_session(world, "patient")
    task_id = await say(world, session, "patient", "zero")
    await wait_all_tasks_blocked()
    for prompt in ("one", "two"):
        await world.router.command_task(ALICE, AppendTurn(task_id, prompt))
        await wait_all_tasks_blocked()
    so_far = ["0 user: zero", "1 user: one", "2 assistant: one!", "3 user: two"]
    assert told(world, session) == kept(session) == so_far
    await world.router.command_task(ALICE, AppendTurn(task_id, "stop"))
    await wait_all_tasks_blocked()
    whole = [*so_far, "4 assistant: two!", "5 user: stop", "6 assistant: stopped"]
    assert told(world, session) == kept(session) == whole


async def test_a_turn_appended_while_one_runs_is_told_after_its_answer(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    session = await open_session(world)
    task_id = await say(world, session, "echo", "one")
    await world.router.command_task(ALICE, AppendTurn(task_id, "two"))
    await wait_all_tasks_blocked()
    expected = ["0 user: one", "1 assistant: ONE", "2 user: two", "3 assistant: TWO"]
    assert told(world, session) == kept(session) == expected


async def test_a_task_that_fails_leaves_what_was_said(autojump_clock: trio.abc.Clock, nursery: trio.Nursery) -> None:
    world = World(nursery, {"failing": failing})
    session = await open_session(world, "failing")
    await say(world, session, "failing", "hello")
    await wait_all_tasks_blocked()
    assert told(world, session) == ["0 user: hello"]
    await trio.sleep(2)
    assert told(world, session) == kept(session) == ["0 user: hello", "1 assistant: half an ans"]


async def test_of_two_tasks_the_second_is_told_in_its_turn(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    session = await open_session(world)
    first = await say(world, session, "forever", "one")
    await say(world, session, "echo", "two")
    third = await say(world, session, "echo", "never")
    await world.router.command_task(ALICE, CancelTask(third))
    await wait_all_tasks_blocked()
    assert told(world, session) == ["0 user: one"]
    await world.router.command_task(ALICE, CancelTask(first))
    await wait_all_tasks_blocked()
    expected = ["0 user: one", "1 assistant: begun ", "2 user: two", "3 assistant: TWO"]
    assert told(world, session) == kept(session) == expected


async def test_a_task_that_runs_elsewhere_is_told_from_its_claim(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    far = await RemoteAgent.register(world)
    session = await open_session(world)
    task_id = await far.is_given("one", session.id)
    await wait_all_tasks_blocked()
    assert told(world, session) == []
    await far.claim(task_id)
    assert kept(session) == ["0 user: one"]
    await world.router.command_task(ALICE, AppendTurn(task_id, "two"))
    await far.post(task_id, message("first"))
    await far.post(task_id, completed(""))
    await wait_all_tasks_blocked()
    assert told(world, session) == kept(session) == ["0 user: one", "1 assistant: first", "2 user: two"]
    await far.post(task_id, completed("second"))
    await wait_all_tasks_blocked()
    assert told(world, session)[3:] == kept(session)[3:] == ["3 assistant: second"]


async def test_what_is_heard_again_joins_once(autojump_clock: trio.abc.Clock, nursery: trio.Nursery) -> None:
    world = World(nursery, AGENTS)
    session = world.sessions.open(ALICE, (await open_session(world)).id)
    said = [Message(role, text, "t1", 1) for role, text in (("user", "a"), ("assistant", "b"), ("user", "c"))]
    session.expect("t1")
    await session.enter("t1")
    beside = Addition(ChannelKey("task", "t1", "alice"), (draft("fact", 1),))
    for count in (1, 1, 2, 2):
        await session.hear("t1", said[:count], beside)
    for _ in range(2):
        await session.leave("t1", said, "completed")
    await session.hear("t1", said, beside)
    await wait_all_tasks_blocked()
    assert told(world, session) == kept(session) == ["0 user: a", "1 assistant: b", "2 user: c"]


async def test_after_a_recall_nothing_more_is_told_of_the_task(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    session = await open_session(world)
    task_id = await say(world, session, "forever", "secret")
    await wait_all_tasks_blocked()
    await Redactor(world.router, world.feeds).redact(session, TaskRedaction(task_id, asked=True))
    await world.router.command_task(ALICE, CancelTask(task_id))
    await wait_all_tasks_blocked()
    assert told(world, session) == kept(session) == ["0 user: ", "1 assistant: "]


async def test_a_cleared_conversation_takes_in_nothing_of_what_was_asked_before(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, {**AGENTS, "patient": patient})
    session = await open_session(world)
    task_id = await say(world, session, "patient", "one")
    await wait_all_tasks_blocked()
    session.clear()
    await world.router.command_task(ALICE, AppendTurn(task_id, "stop"))
    await say(world, session, "echo", "new")
    await wait_all_tasks_blocked()
    assert kept(session) == ["1 user: new", "2 assistant: NEW"]
    assert told(world, session) == ["0 user: one", *kept(session)]
