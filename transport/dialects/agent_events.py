"""An event on the wire of the agent dialect, for those who watch a task or a session they did not ask for here."""

from __future__ import annotations

import msgspec

from actors.event import Event, Json
from actors.snapshots import SNAPSHOT
from transport.text_frame import text_frame

TOPIC_NAMES = {"task": "task_id", "session": "session_id", "room": "room"}


class _Gap(msgspec.Struct):
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    reason: str


def event_message(event: Event) -> bytes:
    """The event as one JSON object. What the dialect has no form for is of type `event`, and nothing is left out.

    Every one names its task, session or room, and its `position`; `timestamp` is Unix seconds. A snapshot is of type
    `snapshot`, with `data` as in every dialect and `from`, the first event that is in it.
    """
    said = _said(event)
    other: dict[str, Json] = {"type": "event", "event_type": event.event_type, "data": None}
    if event.event_type == SNAPSHOT:
        said, other = None, {"type": SNAPSHOT, "from": event.first, "data": None}
    message: dict[str, Json] = {
        **(said or other),
        TOPIC_NAMES.get(event.key.channel, "topic"): event.key.topic,
        "position": f"{event.epoch}:{event.offset}",
        "timestamp": event.timestamp / 1000,
    }
    if said is None:
        # Spliced in as it stands: it may hold numbers that a second encoding would change.
        return msgspec.json.encode({**message, "data": msgspec.Raw(event.body)})
    return msgspec.json.encode(message)


class AgentEncoder:
    """An event as one text frame, the same bytes for every client."""

    __slots__ = ()

    def encode(self, event: Event) -> bytes:
        return text_frame(event_message(event))


def _said(event: Event) -> dict[str, Json] | None:
    """The event in the dialect's own words; None where it has none, also for data that is not as the engine's."""
    data = event.data
    if not isinstance(data, dict):
        return None
    if event.event_type == "gap":
        return _gap(data)
    match event.key.channel:
        case _ if event.event_type == "broadcast" and isinstance(data.get("message"), str):
            return {"type": "broadcast", "message": data["message"]}
        case "task":
            return _of_task(event.event_type, data)
        case "session":
            return _of_session(event.event_type, data)
        case "room":
            return _of_room(event.event_type, data)
        case _:
            return None


def _gap(data: dict[str, Json]) -> dict[str, Json] | None:
    """None for an agent's or a publisher's own event, which happens to have the name."""
    try:
        gap = msgspec.convert(data, _Gap)
    except msgspec.ValidationError:
        return None
    return {"type": "gap", "from": gap.first, "to": gap.last, "reason": gap.reason}


def _of_task(event_type: str, data: dict[str, Json]) -> dict[str, Json] | None:
    match event_type, data:
        case "task.started", {"agent": str(agent)}:
            return {"type": "stream_start", "vendor": agent}
        case "agent.message", {"content": str(content)}:
            return {"type": "stream_chunk", "content": content}
        case "task.completed", {"result": str(result)}:
            return {"type": "stream_end", "content": result}
        case "task.failed", {"error": str(error)}:
            return {"type": "error", "error": f"Query failed: {error}"}
        case "task.cancelled", _:
            return {"type": "cancelled"}
        case _:
            return None


def _of_session(event_type: str, data: dict[str, Json]) -> dict[str, Json] | None:
    match event_type, data:
        case "input", {"exec_id": str(task_id), "content": str(query)}:
            return {"type": "stream_start", "query": query, "task_id": task_id}
        case "output", {"exec_id": str(task_id), "content": str(content)}:
            return {"type": "stream_chunk", "content": content, "task_id": task_id}
        case "message", {"role": str(role), "content": str(content), "task_id": str(task_id)}:
            return {"type": "message", "role": role, "content": content, "task_id": task_id}
        case "done", {"exec_id": str(task_id), "state": "completed"}:
            return {"type": "stream_end", "task_id": task_id}
        case "done", {"exec_id": str(task_id), "state": "cancelled"}:
            return {"type": "cancelled", "task_id": task_id}
        case "done", {"exec_id": str(task_id), "state": "failed"}:
            return {"type": "error", "error": "Query failed: the task says why", "task_id": task_id}
        case _:
            return None


def _of_room(event_type: str, data: dict[str, Json]) -> dict[str, Json] | None:
    match event_type, data:
        case "room.message", {"user_id": str(user_id), "content": str(content)}:
            return {"type": "room_message", "user_id": user_id, "content": content}
        case "member.joined", {"user_id": str(user_id)}:
            return {"type": "room_member_joined", "user_id": user_id}
        case "member.left", {"user_id": str(user_id)}:
            return {"type": "room_member_left", "user_id": user_id}
        case _:
            return None
