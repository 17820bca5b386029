"""A conversation as the steps dialect tells it: what was said, whole, and what was broadcast. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actors.event import Draft, Event, Json
from transport.dialects.steps_drafts import told


class _Message(msgspec.Struct):
    role: str
    content: str
    task_id: str | None = None


class _Broadcast(msgspec.Struct):
    message: str


def session_drafts(event: Event) -> Sequence[Draft]:
    """`session:message {sessionId, role, content, taskId}` and `broadcast {sessionId, message}`. All else that happens
    in a conversation its task tells. Published from outside, an event may have a form of its own: it is passed over."""
    try:
        match event.event_type:
            case "message":
                said = msgspec.json.decode(event.body, type=_Message)
                data: dict[str, Json] = {"role": said.role, "content": said.content, "taskId": said.task_id}
                return (_told("session:message", event, data),)
            case "broadcast":
                news = msgspec.json.decode(event.body, type=_Broadcast)
                return (_told("broadcast", event, {"message": news.message}),)
            case _:
                return ()
    except msgspec.DecodeError:
        return ()


def _told(kind: str, event: Event, data: dict[str, Json]) -> Draft:
    return told(kind, {"sessionId": event.key.topic, **data}, event.timestamp)
