"""What the steps dialect tells of conversations."""

from __future__ import annotations

import pytest

from actors.event import ChannelKey, Event, Json, draft
from actors.log import Log
from actors.retention import Retention
from tests.support.steps import read
from transport.dialects.steps_projection import StepsProjection


def session_event(kind: str, data: Json) -> Event:
    log = Log(ChannelKey("session", "s1", "alice"), Retention(seconds=1e12), epoch="e1")
    return log.append(draft(kind, data, timestamp=7))


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        (
            "message",
            {"role": "user", "content": "hi", "task_id": "t", "index": 0},
            [("session:message", {"sessionId": "s1", "role": "user", "content": "hi", "taskId": "t"})],
        ),
        ("broadcast", {"message": "news"}, [("broadcast", {"sessionId": "s1", "message": "news"})]),
        ("broadcast", {"text": "of another form"}, []),
        ("message", "of another form", []),
        ("output", {"exec_id": "t", "content": "the task tells it"}, []),
        ("done", {"exec_id": "t", "state": "completed"}, []),
    ],
)
def test_messages_and_broadcasts_are_told_and_nothing_else(kind: str, data: Json, told: list[object]) -> None:
    assert read(StepsProjection(0.1).project(session_event(kind, data), 0.0)) == told


def test_what_is_told_has_the_time_of_its_event() -> None:
    (one,) = StepsProjection(0.1).project(session_event("broadcast", {"message": "news"}), 0.0)
    assert one.timestamp == 7
