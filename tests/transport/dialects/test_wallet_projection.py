"""What a wallet's projection makes of the engine's events."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Json, draft
from actors.log import Log
from actors.merge import merge_events
from actors.retention import Retention
from transport.dialects.wallet_fold import TEXT_CHARACTERS
from transport.dialects.wallet_projection import UPDATE_SECONDS, WalletProjection

TASK = ChannelKey("task", "t1", "w")
SESSION = ChannelKey("session", "s1", "w")
NEWS = ChannelKey("system", "tasks", "w")
AT = 1_700_000_000_000

TYPES = (
    "task.started",
    "task.turn_started",
    "task.turn_completed",
    "task.waiting",
    "task.completed",
    "task.failed",
    "task.cancelled",
    "task.created",
    "agent.message",
    "agent.artifact",
    "agent.tool_call",
    "step.confirm",
    "step.confirmed",
    "message",
    "broadcast",
    "gap",
    "else",
)
ENDS = ("task.completed", "task.failed", "task.cancelled")
values = st.none() | st.integers(-5, 5) | st.text(max_size=5)
bodies = values | st.dictionaries(
    st.sampled_from(
        ["content", "name", "prompt", "result", "error", "reason", "step_id", "session_id", "task_id", "role", "index"]
    ),
    values,
)


class Told:
    """A projection, its sources, and what it has said."""

    def __init__(self, since: int = 0) -> None:
        self.projection = WalletProjection(since)
        self.frames: list[dict[str, Any]] = []
        self._at = AT
        self._logs = {key: Log(key, Retention()) for key in (TASK, SESSION, NEWS)}

    def event(self, key: ChannelKey, event_type: str, data: Json, *, now: float = 0.0, merge_key: str = "") -> None:
        event = self._logs[key].append(draft(event_type, data, merge_key=merge_key, timestamp=self._at))
        self._take(self.projection.project(event, now))

    def task(self, event_type: str, data: Json = None, *, now: float = 0.0, merge_key: str = "") -> None:
        self.event(TASK, event_type, data, now=now, merge_key=merge_key)

    def later(self) -> None:
        """What follows is of a second later."""
        self._at += 1000

    def flush(self, now: float) -> None:
        self._take(self.projection.flush(now))

    def _take(self, drafts: Any) -> None:
        for one in drafts:
            frame = json.loads(one.body)
            assert frame["type"] == one.event_type
            self.frames.append(frame)

    @property
    def states(self) -> list[str]:
        return [frame["task"]["status"]["state"] for frame in self.frames if frame["type"] == "task_update"]


def texts(task: dict[str, Any], role: str) -> list[str]:
    return [part["text"] for entry in task["history"] if entry["role"] == role for part in entry["parts"]]


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


@given(st.lists(st.tuples(st.text(max_size=4), st.sampled_from(["", "tool", "flush", "ask"])), max_size=30))
def test_the_texts_are_what_was_streamed(pieces: list[tuple[str, str]]) -> None:
    told = Told()
    told.task("task.started", {})
    for number, (text, then) in enumerate(pieces):
        told.task("agent.message", {"content": text}, now=number / 10)
        match then:
            case "tool":
                told.task("agent.tool_call", {"name": "x"}, now=number / 10)
            case "ask":
                told.task("step.confirm", {"step_id": "s"}, now=number / 10)
            case "flush":
                told.flush(number / 10)
            case _:
                pass
    whole = "".join(text for text, _ in pieces)
    told.task("task.completed", {"result": whole})
    last = told.frames[-1]["task"]
    assert "".join(texts(last, "agent")) == whole
    assert last["status"]["message"] == whole


@given(st.lists(st.tuples(st.sampled_from([TASK, SESSION, NEWS]), st.sampled_from(TYPES), bodies), max_size=40))
def test_any_events_are_taken_and_an_end_is_the_end(events: list[tuple[ChannelKey, str, Json]]) -> None:
    told = Told()
    ended = False
    for number, (key, event_type, data) in enumerate(events):
        if key != TASK or not ended:
            told.event(key, event_type, data, now=number * 0.05)
        # A feed lets a task go at its last event; of its creation it may hear later.
        ended = ended or (key == TASK and event_type in ENDS)
    told.event(NEWS, "task.created", {"task_id": TASK.topic}, now=100.0)
    told.flush(math.inf)
    assert told.projection.due == math.inf
    tasks = [frame["task"] for frame in told.frames if frame["type"] == "task_update"]
    states = [task["status"]["state"] for task in tasks if task["id"] == TASK.topic]
    if "submitted" in states:
        assert set(states[: states.index("submitted")]) <= {"unknown"}
    assert not {"completed", "failed", "canceled"}.intersection(states[:-1])
    assert bool({"completed", "failed", "canceled"}.intersection(states[-1:])) == ended
