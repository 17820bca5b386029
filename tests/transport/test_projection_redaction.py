"""What the feeds of the dialects forget of a task that is taken back, while it runs and after it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.event import ChannelKey, Event, Json, draft
from actors.log import Log
from actors.projection import Projection
from actors.redaction import TaskRedaction
from actors.retention import Retention
from transport.dialects.pipeline_projection import RoomOptions, RoomProjection
from transport.dialects.steps_projection import StepsProjection
from transport.dialects.wallet_projection import WalletProjection

SESSION = ChannelKey("session", "s1", "alice")
ALL = TaskRedaction("task-1", asked=True)
ANSWERS = TaskRedaction("task-1", asked=False)


class Told:
    """A projection between its sources and its feed."""

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self.feed = Log(ChannelKey("feed", "f", "alice"), Retention())
        self._sources: dict[ChannelKey, Log] = {}
        self._now = 0.0

    def tell(self, key: ChannelKey, event_type: str, data: Json) -> list[Event]:
        log = self._sources.setdefault(key, Log(key, Retention()))
        self._now += 10.0
        event = log.append(draft(event_type, data))
        said = [*self.projection.project(event, self._now), *self.projection.flush(self._now)]
        return [self.feed.append(one) for one in said]

    def begin(self, task_id: str) -> None:
        """A task that has been asked `query`, and is in the midst of its answer, `reply`."""
        key = ChannelKey("task", task_id, "alice")
        self.tell(SESSION, "chat.message", {"exec_id": task_id, "content": "query", "user_id": "alice"})
        self.tell(key, "task.started", {"session_id": "s1"})
        self.tell(key, "task.turn_started", {"turn": 1, "prompt": "query"})
        plan: Json = {"goal": "reply", "steps": [{"id": "a", "name": "reply"}]}
        self.tell(key, "plan.created", plan)
        self.tell(key, "step.started", {"step_id": "a", "name": "reply"})
        self.tell(key, "step.progress", {"step_id": "a", "progress": 0.5, "message": "reply"})
        self.tell(key, "agent.message", {"content": "reply"})
        self.tell(key, "agent.artifact", {"content": "reply", "name": "reply"})
        self.tell(SESSION, "output", {"exec_id": task_id, "content": "reply"})

    def end(self, task_id: str) -> list[Event]:
        """It is cancelled, and says nothing more."""
        key = ChannelKey("task", task_id, "alice")
        data: Json = {"task_id": task_id, "reason": ""}
        done: Json = {"exec_id": task_id, "state": "cancelled"}
        return [*self.tell(key, "task.cancelled", data), *self.tell(SESSION, "done", done)]

    def concerned(self, redaction: TaskRedaction) -> list[Event]:
        concerns = self.projection.redact(redaction)
        return [event for event in self.feed.read(0, max_events=100, max_bytes=1 << 20) if concerns(event)]


def steps() -> Projection:
    return StepsProjection(0.1)


def wallet() -> Projection:
    return WalletProjection(0)


def room() -> Projection:
    return RoomProjection("person", "alice", RoomOptions())


def holds(events: list[Event], text: bytes) -> list[Event]:
    return [event for event in events if text in event.body]


@pytest.mark.parametrize("make", [steps, wallet, room])
def test_a_running_task_is_forgotten_and_its_end_still_told(make: Callable[[], Projection]) -> None:
    told = Told(make())
    told.begin("task-1")
    told.begin("task-2")
    own = holds(told.feed.read(0, max_events=100, max_bytes=1 << 20), b'"task-1"')
    texts = [event for event in own if b"query" in event.body or b"reply" in event.body]
    concerned = told.concerned(ALL)
    assert texts
    assert [event for event in texts if event not in concerned] == []
    assert not holds(concerned, b'"task-2"')
    ending = told.end("task-1")
    assert ending
    assert not holds(ending, b"query")
    assert not holds(ending, b"reply")


@pytest.mark.parametrize("make", [wallet, room])
def test_a_question_stands_where_its_answer_is_taken_back(make: Callable[[], Projection]) -> None:
    told = Told(make())
    told.begin("task-1")
    message: dict[str, Json] = {"role": "user", "content": "query", "task_id": "task-1", "index": 0}
    told.tell(SESSION, "message", message)
    told.tell(SESSION, "message", {**message, "role": "assistant", "content": "reply", "index": 1})
    concerned = told.concerned(ANSWERS)
    assert holds(concerned, b"reply")
    every = told.feed.read(0, max_events=100, max_bytes=1 << 20)
    left = [event for event in every if event not in concerned]
    assert holds(left, b"query")
    assert not holds(left, b"reply")


def test_a_wallet_is_not_told_of_a_message_that_was_taken_back() -> None:
    told = Told(wallet())
    message: Json = {"role": "user", "content": "", "task_id": "task-1", "index": 0, "redacted": True}
    assert told.tell(SESSION, "message", message) == []
