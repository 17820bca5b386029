"""What holds of a wallet's projection whatever is emitted, in whichever order."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Json
from tests.support.wallet_frames import NEWS, SESSION, TASK, Told, texts

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
