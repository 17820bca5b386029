"""What is taken back: events keep their places in every log, and say nothing any more. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from actors.agent import Message
from actors.event import Event, Json, Merge, encode_json

REDACTED = "redacted"
"""The type of an event that was dropped: nothing but its place is left."""

_ASKED = {
    "task": frozenset({"task.turn_started"}),
    "session": frozenset({"chat.message", "input"}),
    "agent": frozenset({"task.available", "task.turn"}),
}
"""By channel, what tells of a question."""
_IN_SESSION = _ASKED["session"] | {"output", "message", "done"}
_KEPT = frozenset(
    {
        "agent",
        "approved",
        "by",
        "call_id",
        "cause",
        "connection_id",
        "duration_ms",
        "exec_id",
        "expires_at",
        "index",
        "progress",
        "role",
        "session_id",
        "state",
        "step_id",
        "stream",
        "success",
        "task_id",
        "turn",
        "turns",
        "user_id",
    }
)
"""Members that say what an event belongs to, and not what was said."""


class Redaction(Protocol):
    """A rule about events."""

    def apply(self, event: Event) -> Event:
        """The event, or what is left of it. Idempotent."""
        ...


class TaskRedaction(msgspec.Struct, frozen=True):
    """Takes back what was answered in a task; with `asked` also what was asked in it.

    For the topics of the task and of its session, and the one on which its agent is told of it. Such an event keeps its
    type and members, so that whoever reads it finds its form, but every text, number and collection in it is empty.
    `redacted` is true then.
    """

    task_id: str
    asked: bool

    def takes_back(self, role: str) -> bool:
        """Whether messages in that role are concerned, `user` or `assistant`."""
        return self.asked or role != "user"

    def left_of(self, message: Message) -> Message:
        """The message, or what is left of it. Idempotent."""
        if message.task_id != self.task_id or not self.takes_back(message.role):
            return message
        return msgspec.structs.replace(message, content="", redacted=True)

    def apply(self, event: Event) -> Event:
        if event.key.channel == "task":
            return self._blank(event, event.data) if event.key.topic == self.task_id else event
        # Most events of the others are of other tasks, and need not be decoded.
        is_of_session = event.key.channel == "session"
        if (is_of_session and event.event_type not in _IN_SESSION) or self.task_id.encode() not in event.body:
            return event
        data = event.data
        members = data if isinstance(data, dict) else {}
        named = members.get("exec_id") or members.get("task_id") if is_of_session else members.get("task_id")
        return self._blank(event, data) if named == self.task_id else event

    def _blank(self, event: Event, data: Json) -> Event:
        members = data if isinstance(data, dict) else {}
        channel = event.key.channel
        asked = event.event_type in _ASKED[channel] or (channel == "session" and members.get("role") == "user")
        if asked and not self.asked:
            return event
        blanked = {name: value if name in _KEPT else _empty(value) for name, value in members.items()}
        body = encode_json(event.event_type, {**blanked, "redacted": True})
        return msgspec.structs.replace(event, body=body)


class Drop(msgspec.Struct, frozen=True):
    """Takes back the events that `concerns` tells, for a topic whose events have a form of its own."""

    concerns: Callable[[Event], bool]

    def apply(self, event: Event) -> Event:
        if event.event_type == REDACTED or not self.concerns(event):
            return event
        return msgspec.structs.replace(event, event_type=REDACTED, body=b"{}", merge=Merge.LAST, merge_key="")


def _empty(value: Json) -> Json:
    match value:
        case bool() | None:
            return value
        case str():
            return ""
        case int() | float():
            return 0
        case list():
            return []
        case dict():
            return {}
