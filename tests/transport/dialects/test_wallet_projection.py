"""What a wallet's projection makes of the engine's events."""

from __future__ import annotations

import json
import math

from actors.event import ChannelKey, Json, draft
from actors.log import Log
from actors.merge import merge_events
from actors.retention import Retention
from tests.support.wallet_frames import AT, NEWS, SESSION, TASK, Told, texts
from transport.dialects.wallet_fold import TEXT_CHARACTERS
from transport.dialects.wallet_projection import UPDATE_SECONDS, WalletProjection


def test_a_task_that_never_began_has_failed() -> None:
    told = Told()
    told.event(NEWS, "task.created", {"task_id": "t1", "session_id": None})
    told.event(NEWS, "task.failed", {"task_id": "t1", "error": "too late", "cause": "unavailable"})
    told.event(NEWS, "task.created", {"task_id": "t1", "session_id": None})
    assert told.states == ["submitted", "failed"]
    assert told.frames[-1]["task"]["status"]["message"] == "too late"


def test_a_whole_run_in_the_form_of_the_seed() -> None:
    told = Told()
    told.event(NEWS, "task.created", {"task_id": "t1", "session_id": "s1"})
    told.task("task.started", {"session_id": "s1"})
    told.task("task.turn_started", {"prompt": "hi"})
    told.task("agent.message", {"content": "hel"})
    told.task("agent.message", {"content": "lo"})
    told.task("agent.artifact", {"name": "page", "media_type": "text/html", "content": "<p>"})
    told.task("task.turn_completed", {"result": "hello"})
    told.task("task.completed", {"result": "hello"})
    assert told.states == ["submitted", "working", "completed"]
    part = {"type": "text", "text": "hello"}
    assert told.frames[-1] == {
        "type": "task_update",
        "conversation_id": "s1",
        "task": {
            "id": "t1",
            "sessionId": "s1",
            "status": {"state": "completed", "message": "hello", "timestamp": "2023-11-14T22:13:20.000Z"},
            "history": [
                {"role": "user", "parts": [{"type": "text", "text": "hi"}]},
                {"role": "agent", "parts": [part]},
            ],
            "artifacts": [{"name": "page", "parts": [{"type": "text", "text": "<p>"}], "media_type": "text/html"}],
        },
    }


def test_a_message_in_the_form_of_the_seed() -> None:
    told = Told()
    told.event(SESSION, "output", {"content": "x"})
    told.event(SESSION, "message", {"role": "user", "content": "hi", "task_id": "t1", "index": 4})
    told.event(SESSION, "message", {"role": 7})
    assert told.frames == [
        {
            "type": "new_message",
            "conversation_id": "s1",
            "message": {"id": "s1-4", "role": "user", "content": [{"type": "text", "text": "hi"}]},
            "task_id": "t1",
        }
    ]


def test_a_broadcast_to_a_conversation_is_a_message_of_the_system() -> None:
    told = Told()
    told.event(SESSION, "broadcast", {"message": "maintenance"})
    told.event(SESSION, "broadcast", {"message": 5})
    assert [frame["message"] for frame in told.frames] == [
        {"id": "s1-e1", "role": "system", "content": [{"type": "text", "text": "maintenance"}]}
    ]


def test_the_other_states() -> None:
    told = Told()
    told.task("task.started", {})
    told.task("step.confirm", {"step_id": "a", "reason": "May I?"})
    told.task("step.confirm", {"step_id": "b", "reason": "And this?"})
    told.task("step.confirmed", {"step_id": "a"})
    told.task("step.confirmed", {"step_id": "b"})
    told.task("task.cancelled", {"reason": "requested"})
    assert told.states == ["working", "input-required", "input-required", "working", "canceled"]
    assert [frame["task"]["status"]["message"] for frame in told.frames[1:3]] == ["May I?", "And this?"]
    failed = Told()
    failed.task("task.failed", {"error": "no"})
    assert (failed.states, failed.frames[-1]["task"]["status"]["message"]) == (["failed"], "no")


def test_an_agent_that_waits_for_the_next_turn_requires_input() -> None:
    told = Told()
    told.task("task.started", {})
    told.task("agent.message", {"content": "Which city?"})
    told.task("task.waiting", {"turn": 1})
    told.task("task.turn_started", {"prompt": "Rome"})
    told.task("task.completed", {"result": "sunny"})
    assert told.states == ["working", "input-required", "working", "completed"]
    asked = told.frames[1]["task"]
    assert (asked["status"]["message"], texts(asked, "agent")) == ("Which city?", ["Which city?"])
    assert texts(told.frames[2]["task"], "user") == ["Rome"]


def test_a_turn_that_begins_settles_no_open_question() -> None:
    told = Told()
    told.task("task.started", {})
    told.task("step.confirm", {"step_id": "a", "reason": "May I?"})
    told.task("task.waiting", {"turn": 1})
    told.task("task.turn_started", {"prompt": "go on"})
    told.task("step.confirmed", {"step_id": "a"})
    assert told.states == ["working", "input-required", "input-required", "working"]


def test_open_questions_are_told_with_their_steps() -> None:
    told = Told()
    told.task("step.confirm", {"step_id": "a", "reason": "May I?"})
    told.task("step.confirm", {"step_id": "b", "reason": "And this?"})
    told.task("step.confirmed", {"step_id": "b"}, now=1.0)
    told.task("step.confirmed", {"step_id": "never"}, now=2.0)
    told.task("step.confirmed", {"step_id": "a"}, now=2.0)
    a, b = {"step_id": "a", "reason": "May I?"}, {"step_id": "b", "reason": "And this?"}
    assert [frame["task"].get("questions") for frame in told.frames] == [[a], [a, b], [a], None]
    assert told.frames[2]["task"]["status"]["message"] == "May I?"


def test_a_task_of_which_only_a_part_is_known_is_unknown() -> None:
    told = Told()
    told.task("agent.artifact", {"name": "page", "content": "<p>"})
    assert told.states == ["unknown"]


def test_a_task_that_grows_is_told_at_intervals() -> None:
    told = Told()
    told.task("task.started", {}, now=10.0)
    for number in range(20):
        told.task("agent.artifact", {"name": str(number), "content": "x"}, now=10.0 + number / 1000)
    assert len(told.frames) == 1
    assert told.projection.due == 10.0 + UPDATE_SECONDS
    told.flush(told.projection.due)
    assert [len(frame["task"]["artifacts"]) for frame in told.frames] == [0, 20]
    assert told.projection.due == math.inf


def test_who_lags_is_told_each_state_and_of_what_grows_the_last() -> None:
    projection = WalletProjection(0)
    sources = Log(TASK, Retention())
    feed = Log(ChannelKey("feed", "wallet", "w"), Retention())
    told: list[tuple[str, Json]] = [("task.started", {})]
    told += [("agent.artifact", {"name": str(number), "content": "x"}) for number in range(5)]
    told += [("step.confirm", {"step_id": "a"}), ("step.confirmed", {"step_id": "a"}), ("task.completed", {})]
    for number, (kind, data) in enumerate(told):
        for one in projection.project(sources.append(draft(kind, data)), number * 10.0):
            feed.append(one)
    assert feed.tail == len(told)
    merged = [json.loads(event.body)["task"] for event in merge_events(feed.read(0, max_events=99, max_bytes=1 << 20))]
    states = [(task["status"]["state"], len(task["artifacts"])) for task in merged]
    assert states == [("working", 0), ("working", 5), ("input-required", 5), ("working", 5), ("completed", 5)]


def test_tokens_alone_are_not_told() -> None:
    told = Told()
    told.task("task.started", {})
    for _ in range(100):
        told.task("agent.message", {"content": "x"}, now=100.0)
    assert (len(told.frames), told.projection.due) == (1, math.inf)


def test_what_was_before_is_taken_in_and_not_told() -> None:
    told = Told(since=AT + 1)
    told.task("task.started", {})
    told.task("task.turn_started", {"prompt": "hi"})
    assert (told.frames, told.projection.due) == ([], math.inf)
    told.later()
    told.task("task.completed", {"result": "x"})
    assert texts(told.frames[0]["task"], "user") == ["hi"]


def test_a_creation_read_after_the_end_is_no_new_task() -> None:
    told = Told()
    told.task("task.completed", {"result": "x"})
    told.event(NEWS, "task.created", {"task_id": "t1"})
    assert told.states == ["completed"]


def test_a_text_without_end_is_cut() -> None:
    told = Told()
    for _ in range(3):
        told.task("agent.message", {"content": "x" * (TEXT_CHARACTERS // 2)})
    told.task("task.failed", {"error": "no"})
    assert sum(map(len, texts(told.frames[-1]["task"], "agent"))) == TEXT_CHARACTERS
