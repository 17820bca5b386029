"""What is taken back of events: their texts, and neither their places nor their forms."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors.agent import Result, TaskContext
from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.commands import AppendTurn, CreateSession, CreateTask, Say
from actors.event import ChannelKey, Event, Json, draft
from actors.feeds import Feeds
from actors.log import Log
from actors.principal import Principal
from actors.redaction import Drop, TaskRedaction
from actors.redactor import Redactor
from actors.retention import Retention
from tests.support.agents import AGENTS
from tests.support.remote import RemoteAgent
from tests.support.world import ALICE, NurserySpawner, World

SESSION = ChannelKey("session", "s", "alice")
TASK = ChannelKey("task", "t1", "alice")
BOTH = TaskRedaction("t1", asked=True)
ANSWERS = TaskRedaction("t1", asked=False)

trees = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def event(event_type: str, data: Json, key: ChannelKey = SESSION) -> Event:
    return Log(key, Retention()).append(draft(event_type, data))


@pytest.mark.parametrize(
    ("event_type", "data", "left"),
    [
        (
            "chat.message",
            {"exec_id": "t1", "content": "a", "chain": [1]},
            {"exec_id": "t1", "content": "", "chain": []},
        ),
        ("input", {"exec_id": "t1", "turn": 2, "content": "a"}, {"exec_id": "t1", "turn": 2, "content": ""}),
        ("output", {"exec_id": "t1", "content": "a"}, {"exec_id": "t1", "content": ""}),
        (
            "message",
            {"task_id": "t1", "role": "user", "content": "a"},
            {"task_id": "t1", "role": "user", "content": ""},
        ),
        ("done", {"exec_id": "t1", "state": "failed", "error": "a"}, {"exec_id": "t1", "state": "failed", "error": ""}),
    ],
)
def test_an_event_keeps_its_form(event_type: str, data: Json, left: dict[str, Json]) -> None:
    assert BOTH.apply(event(event_type, data)).data == {**left, "redacted": True}


@pytest.mark.parametrize(
    ("event_type", "data"),
    [
        ("output", {"exec_id": "t2", "content": "t1"}),
        ("chat.recalled", {"task_id": "t1", "message_id": 3}),
        ("news", {"task_id": "t1", "text": "somebody else's"}),
        ("output", "t1"),
    ],
)
def test_others_stand(event_type: str, data: Json) -> None:
    told = event(event_type, data)
    assert BOTH.apply(told) is told


def test_a_question_stands_where_only_its_answers_are_taken_back() -> None:
    for asked in (
        event("input", {"exec_id": "t1", "content": "a"}),
        event("message", {"task_id": "t1", "role": "user", "content": "a"}),
        event("task.turn_started", {"task_id": "t1", "prompt": "a"}, TASK),
    ):
        assert ANSWERS.apply(asked) is asked
    answer = event("message", {"task_id": "t1", "role": "assistant", "content": "a"})
    assert ANSWERS.apply(answer).data != answer.data


@given(tree=trees)
def test_nothing_of_what_an_agent_says_is_left(tree: Any) -> None:
    told = event("agent.word", {"said": ["xyzzy", tree], "more": {"xyzzy": tree}, "text": "xyzzy", "number": 17}, TASK)
    left = BOTH.apply(told)
    assert left.data == {"said": [], "more": {}, "text": "", "number": 0, "redacted": True}
    assert BOTH.apply(left) == left
    assert (left.offset, left.event_type, left.timestamp) == (told.offset, told.event_type, told.timestamp)


def test_a_log_keeps_places_and_counts_what_is_left() -> None:
    log = Log(TASK, Retention())
    for number in range(3):
        log.append(draft("agent.word", {"text": "x" * 100, "index": number}))
    log.redact(BOTH, lasting=True)
    log.append(draft("agent.word", {"text": "late"}))
    events = log.read(0, max_events=9, max_bytes=9999)
    assert [one.offset for one in events] == [1, 2, 3, 4]
    assert not any(b"xx" in one.body or b"late" in one.body for one in events)
    assert log.statistics().bytes == sum(200 + len(one.body) for one in events)


async def test_what_waits_to_be_appended_is_dropped_too(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        # Never in the publisher's task: the events wait in the mailbox.
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(in_place=-1))
        for word in ("bad", "good"):
            await channels.emit(TASK, draft("said", word))
        await channels.redact(TASK, Drop(lambda told: told.data == "bad"))
        await channels.emit(TASK, draft("said", "bad"))
        await wait_all_tasks_blocked()
        assert [one.data for one in channels.log(TASK).read(0, max_events=9, max_bytes=9999)] == [{}, "good", "bad"]
        nursery.cancel_scope.cancel()


async def test_a_conversation_s_words_are_nowhere_and_its_next_agent_does_not_read_them(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    redactor = Redactor(world.router, Feeds(NurserySpawner(nursery), world.channels))
    session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
    said = await world.router.say(ALICE, Say(session_id=session.id, content="xyzzy"))
    await wait_all_tasks_blocked()
    await redactor.redact(session, TaskRedaction(said.exec_id, asked=True))
    for channel, topic in (("session", session.id), ("task", said.exec_id)):
        page = await world.router.history(ALICE, channel, topic, "oldest", 100)
        assert page.events
        assert not any(b"xyzzy" in one.body.lower() for one in page.events)
    view = world.tasks.find(ALICE, said.exec_id).view()
    assert (view.prompt, view.result, view.state) == ("", None, "completed")
    assert [(one.role, one.content) for one in session.record.history.messages] == [("user", ""), ("assistant", "")]
    later = CreateTask(agent="recalling", prompt="what was said?", session_id=session.id)
    task = await world.router.create_task(ALICE, later)
    await wait_all_tasks_blocked()
    assert world.tasks.find(ALICE, task.id).view().result == ""


async def test_what_a_running_task_still_says_is_taken_back_as_it_comes(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    redactor = Redactor(world.router, Feeds(NurserySpawner(nursery), world.channels))
    session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
    said = await world.router.say(ALICE, Say(session_id=session.id, content="xyzzy"))
    await redactor.redact(session, TaskRedaction(said.exec_id, asked=True))
    await wait_all_tasks_blocked()
    task = world.tasks.find(Principal("alice"), said.exec_id)
    for key in (session.key, task.key):
        events = world.router.log(key).read(0, max_events=100, max_bytes=1 << 20)
        assert events[-1].event_type in ("done", "task.completed")
        assert not any(b"xyzzy" in one.body.lower() for one in events)


async def reading_twice(task: TaskContext) -> Result:
    """Answers with the conversation as it is when it is told to go on."""
    await task.next_turn()
    return Result("|".join(message.content for message in task.history))


async def test_an_agent_that_runs_already_does_not_read_them_any_more(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, {**AGENTS, "reading_twice": reading_twice})
    redactor = Redactor(world.router, Feeds(NurserySpawner(nursery), world.channels))
    session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
    said = await world.router.say(ALICE, Say(session_id=session.id, content="xyzzy"))
    await wait_all_tasks_blocked()
    reads = CreateTask(agent="reading_twice", prompt="one", session_id=session.id)
    task = await world.router.create_task(ALICE, reads)
    await wait_all_tasks_blocked()
    await redactor.redact(session, TaskRedaction(said.exec_id, asked=True))
    await world.router.command_task(ALICE, AppendTurn(task.id, "two"))
    await wait_all_tasks_blocked()
    assert world.tasks.find(ALICE, task.id).view().result == "one"


async def test_an_agent_elsewhere_that_claims_late_is_not_told_them(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    world = World(nursery, AGENTS)
    redactor = Redactor(world.router, Feeds(NurserySpawner(nursery), world.channels))
    session = await world.router.open_session(ALICE, CreateSession(agent="echo", key="k"))
    said = await world.router.say(ALICE, Say(session_id=session.id, content="xyzzy"))
    await wait_all_tasks_blocked()
    far = await RemoteAgent.register(world)
    task_id = await far.is_given("and then?", session.id)
    await wait_all_tasks_blocked()
    await redactor.redact(session, TaskRedaction(said.exec_id, asked=False))
    assert [message.content for message in (await far.claim(task_id)).history] == ["xyzzy"], "the question stands"
