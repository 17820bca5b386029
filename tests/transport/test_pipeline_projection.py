"""What a room shows of its session, whatever happens there in whatever order."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Draft, Json, draft
from actors.log import Log
from actors.retention import Retention
from transport.dialects.pipeline_projection import RoomOptions, RoomProjection

SESSION = ChannelKey("session", "s1", "alice")


class Room:
    """A projection that is fed events, and everything it has said."""

    def __init__(self) -> None:
        self.projection = RoomProjection("person", "alice", RoomOptions(messages=50))
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.now = 0.0
        self._log = Log(SESSION, Retention(), epoch="e1")

    def tell(self, event_type: str, data: Json) -> None:
        event = self._log.append(draft(event_type, data))
        self._note(self.projection.project(event, self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if self.projection.due <= self.now:
            self._note(self.projection.flush(self.now))
            assert self.projection.due > self.now

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [data for event_type, data in self.said if event_type == kind]

    def _note(self, drafts: Any) -> None:
        log = Log(ChannelKey("feed", "f"), Retention())
        for one in drafts:
            assert isinstance(one, Draft)
            body: Any = log.append(one).data
            assert body["session_type"] == "person"
            self.said.append((one.event_type, body.get("data", body)))


def say(room: Room, task: str, text: str, *, stream: bool = True) -> None:
    room.tell("chat.message", {"exec_id": task, "content": text, "user_id": "bob", "stream": stream})


def end(room: Room, task: str, text: str, state: str = "completed") -> None:
    room.tell("message", {"role": "user", "content": "?", "task_id": task})
    room.tell("message", {"role": "assistant", "content": text, "task_id": task})
    room.tell("done", {"exec_id": task, "state": state})


steps = st.lists(
    st.tuples(
        st.sampled_from(["say", "input", "output", "output", "output", "done", "wait", "junk"]),
        st.integers(0, 3),
        st.text(max_size=4),
        st.booleans(),
    ),
    max_size=60,
)


@given(steps)
def test_ids_are_dense_answers_only_grow_and_are_final_once(script: list[tuple[str, int, str, bool]]) -> None:
    room = Room()
    runs: dict[int, int] = {}
    streamed: dict[str, str] = {}
    for what, who, text, flag in script:
        task = f"t{who}.{runs.get(who, 0)}"
        match what:
            case "say" if task not in streamed:
                say(room, task, text, stream=flag)
                streamed[task] = ""
            case "input" if flag or task in streamed:
                room.tell("input", {"exec_id": task, "turn": 1, "content": text})
                streamed.setdefault(task, "")
            case "output" if task in streamed:
                room.tell("output", {"exec_id": task, "content": text})
                streamed[task] += text
            case "done" if task in streamed:
                end(room, task, streamed[task])
                runs[who] = runs.get(who, 0) + 1
            case "wait":
                room.wait(0.2 if flag else 0.01)
            case "junk":
                room.tell("chat.recalled", {"message_id": text})
                room.tell("output", [text])
            case _:
                pass
    for task in streamed:
        room.tell("done", {"exec_id": task, "state": "completed"})
    first_seen = list(dict.fromkeys(data["id"] for kind, data in room.said if kind in ("user_message", "response")))
    assert first_seen == list(range(1, len(first_seen) + 1))
    assert len(room.of("user_message")) == len(streamed)
    by_task: dict[str, list[dict[str, Any]]] = {}
    for data in room.of("response"):
        by_task.setdefault(data["task_id"], []).append(data)
    assert by_task.keys() == streamed.keys()
    for task, frames in by_task.items():
        assert [frame["is_final"] for frame in frames] == [False] * (len(frames) - 1) + [True]
        assert len({(frame["id"], frame["timestamp"]) for frame in frames}) == 1
        contents = [frame["content"] for frame in frames]
        assert all(later.startswith(earlier) for earlier, later in pairwise(contents))
        assert contents[-1] == streamed[task]
    assert room.projection.due == math.inf


def test_growth_is_throttled_and_costs_no_square() -> None:
    room = Room()
    say(room, "t", "go")
    piece = "x" * 1024
    for _ in range(1024):
        room.tell("output", {"exec_id": "t", "content": piece})
        room.wait(0.005)
    end(room, "t", piece * 1024)
    total = sum(len(data["content"]) for data in room.of("response"))
    assert room.of("response")[-1]["content"] == piece * 1024
    assert total < 5 * 1024 * 1024


def test_another_turn_of_a_task_is_one_more_question_and_answer() -> None:
    room = Room()
    room.tell("input", {"exec_id": "t", "turn": 1, "content": "one"})
    room.tell("output", {"exec_id": "t", "content": "first"})
    room.tell("input", {"exec_id": "t", "turn": 2, "content": "two"})
    end(room, "t", "second")
    told = [(one.id, one.role, one.content, one.is_final) for one in room.projection.messages.all()]
    assert told == [
        (1, "user", "one", True),
        (2, "assistant", "first", True),
        (3, "user", "two", True),
        (4, "assistant", "second", True),
    ]


def test_an_answer_that_was_not_streamed_closes_its_turn_whole() -> None:
    room = Room()
    for turn, (asked, answer) in enumerate((("one", "first"), ("two", "second")), 1):
        room.tell("message", {"role": "user", "content": asked, "task_id": "t"})
        room.tell("input", {"exec_id": "t", "turn": turn, "content": asked})
        room.tell("message", {"role": "assistant", "content": answer, "task_id": "t"})
    room.tell("done", {"exec_id": "t", "state": "completed"})
    told = [(one.id, one.content, one.is_final) for one in room.projection.messages.all()]
    assert told == [(1, "one", True), (2, "first", True), (3, "two", True), (4, "second", True)]


def test_a_reset_lets_go_what_was_being_answered() -> None:
    room = Room()
    say(room, "old", "one")
    room.tell("output", {"exec_id": "old", "content": "begun"})
    room.tell("chat.reset", None)
    room.tell("input", {"exec_id": "old", "turn": 2, "content": "more"})
    room.tell("output", {"exec_id": "old", "content": " late"})
    room.tell("done", {"exec_id": "old", "state": "completed"})
    assert room.projection.messages.all() == ()
    say(room, "new", "two")
    assert [one.id for one in room.projection.messages.all()] == [1]


def test_a_recalled_message_leaves_a_tombstone_and_grows_no_more() -> None:
    room = Room()
    say(room, "t", "secret")
    room.tell("output", {"exec_id": "t", "content": "secret too"})
    for message_id in (1, 2, 2, 9):
        room.tell("chat.recalled", {"message_id": message_id, "by": "bob"})
    room.tell("output", {"exec_id": "t", "content": "more"})
    end(room, "t", "all of it")
    assert [(data["id"], data["by"]) for data in room.of("recalled")] == [(1, "bob"), (2, "bob")]
    assert [(one.id, one.content, one.recalled) for one in room.projection.messages.all()] == [
        (1, "", True),
        (2, "", True),
    ]
    assert [data["is_final"] for data in room.of("response")] == [False]


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 9)), max_size=20))
def test_read_markers_only_move_on(marks: list[tuple[str, int]]) -> None:
    room = Room()
    for number in range(5):
        say(room, f"t{number}", "x")
    for user, message_id in marks:
        room.tell("chat.read", {"message_id": message_id, "user_id": user})
    for user in ("ann", "bob"):
        told = [data["message_id"] for data in room.of("read") if data["user_id"] == user]
        assert told == sorted(set(told))
        assert all(1 <= message_id <= 5 for message_id in told)
        assert room.projection.messages.read_by(user) == (told[-1] if told else 0)
