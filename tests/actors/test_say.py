"""What is said in a conversation: told at once, and answered in its turn."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import CreateSession, Say, TaskQuery
from actors.errors import CallboardError, ErrorCode
from actors.event import Event
from actors.redaction import TaskRedaction
from actors.session import Session
from actors.sessions import SessionsOptions
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, BOB, Limits, World


def told(world: World, session: Session) -> list[Event]:
    return world.router.log(session.key).read(0, max_events=100, max_bytes=1 << 20)


async def test_what_is_said_is_told_before_its_turn_comes(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    session = await world.router.open_session(ALICE, CreateSession(agent="forever", key="k"))
    for content in ("one", "two"):
        await world.router.say(ALICE, Say(session_id=session.id, content=content, details={"mood": "calm"}))
    await wait_all_tasks_blocked()
    events = [one.event_type for one in told(world, session)]
    assert sorted(events) == ["chat.message", "chat.message", "input", "message", "output"]
    assert events.index("chat.message") < events.index("input") < events.index("output")
    said = [one.data for one in told(world, session) if one.event_type == "chat.message"]
    assert [(one["content"], one["user_id"], one["mood"]) for one in said if isinstance(one, dict)] == [
        ("one", "alice", "calm"),
        ("two", "alice", "calm"),
    ]


async def test_a_key_finds_the_owner_s_own_session_again(nursery: trio.Nursery) -> None:
    world = World(nursery, AGENTS, Limits(sessions=SessionsOptions(sessions=2, default_agent="echo")))
    first = await world.router.open_session(ALICE, CreateSession(key="k"))
    assert await world.router.open_session(ALICE, CreateSession(key="k")) is first
    other = await world.router.open_session(BOB, CreateSession(key="k"))
    assert world.sessions.keyed("k") == (first, other)
    world.sessions.create(ALICE, CreateSession())
    assert world.sessions.keyed("k") == (other,)


async def test_what_was_cleared_or_redacted_is_not_joined_by_a_late_answer(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
    started = await world.router.say(ALICE, Say(session_id=session.id, content="secret"))
    session.redact(TaskRedaction(started.exec_id, asked=True))
    await wait_all_tasks_blocked()
    assert [(message.content, message.redacted) for message in session.record.history.messages] == [
        ("", True),
        ("", True),
    ]
    await world.router.say(ALICE, Say(session_id=session.id, content="more"))
    session.clear()
    await wait_all_tasks_blocked()
    assert session.record.history.messages == []


async def test_a_conversation_of_somebody_else_is_not_there(nursery: trio.Nursery) -> None:
    world = World(nursery, AGENTS)
    session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
    with pytest.raises(CallboardError) as refused:
        await world.router.say(BOB, Say(session_id=session.id, content="hi"))
    assert refused.value.code is ErrorCode.NOT_FOUND
    assert told(world, session) == []


@pytest.mark.parametrize("seconds", [0.5, 1.5], ids=["before it is kept", "before its turn"])
async def test_who_is_cut_off_leaves_nobody_waiting_for_an_answer(
    autojump_clock: trio.abc.Clock, seconds: float
) -> None:
    store = MemoryStore()
    async with life(store) as world:
        session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
        store.slow_down(1)
        with trio.move_on_after(seconds):
            await world.router.say(ALICE, Say(session_id=session.id, content="hello"))
        await trio.sleep(20)
        types = [event.event_type for event in store.events(session.key)]
        assert (types[0], types[-1], types.count("done")) == ("chat.message", "done", 1)
        assert [task.result for task in world.tasks.page(ALICE, TaskQuery()).tasks] == ["HELLO"]
        assert session.is_idle
