"""What the pipeline dialect answers and pushes: each reply and each event as one text frame. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from actors.admission import Admission
from actors.errors import CallboardError, ErrorCode
from actors.event import Event, Json, now_ms
from transport.dialects.pipeline import Echo, SessionType
from transport.text_frame import text_frame

PUSHED = frozenset({"user_message", "response", "broadcast", "recalled", "read", "reset", "presence", "gap"})
"""The events of a room that are frames; `PipelineFrames` leaves out all others."""


def iso(timestamp: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC."""
    moment = datetime.fromtimestamp(timestamp / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def connected(
    connection_id: str,
    pipeline_uuid: str,
    session_type: SessionType,
    session_id: str,
    admission: Admission,
    users: Sequence[str],
    echo: Echo,
) -> bytes:
    """`session_id` names the room to the other dialects; `position` is where the client comes in, for `?since=`;
    `online` are the users who are there."""
    return _frame(
        "connected",
        echo,
        {
            "connection_id": connection_id,
            "pipeline_uuid": pipeline_uuid,
            "session_type": session_type,
            "timestamp": iso(now_ms()),
            "session_id": session_id,
            "position": f"{admission.epoch}:{admission.start.offset}",
            "recovered": admission.recovered,
            "online": list(users),
        },
    )


def pong(echo: Echo) -> bytes:
    return _frame("pong", echo, {"timestamp": iso(now_ms())})


def read_already(session_type: SessionType, user_id: str, message_id: int, echo: Echo) -> bytes:
    """The user's read marker, which stands at or behind what was asked: it never goes back."""
    data: Json = {"user_id": user_id, "message_id": message_id}
    return _frame("read", echo, {"session_type": session_type, "data": data, "timestamp": iso(now_ms())})


def online(session_type: SessionType, users: Sequence[str], echo: Echo) -> bytes:
    """The users who are in the room."""
    data: Json = {"online": list(users)}
    return _frame("presence", echo, {"session_type": session_type, "data": data, "timestamp": iso(now_ms())})


def error_frame(echo: Echo, error: CallboardError) -> bytes:
    members: dict[str, Json] = {"message": error.message, "code": error.code.value, "timestamp": iso(now_ms())}
    if error.retry_after is not None:
        members["retry_after_ms"] = round(error.retry_after * 1000)
    return _frame("error", echo, members)


def unauthorized(echo: Echo) -> bytes:
    members: dict[str, Json] = {"message": "Unauthorized", "code": ErrorCode.UNAUTHORIZED.value}
    return _frame("error", echo, members)


class PipelineFrames:
    """An event of a room's feed as one text frame, the same bytes for every client. `position` is where a client that
    has seen the frame resumes."""

    __slots__ = ()

    def encode(self, event: Event) -> bytes:
        if event.event_type not in PUSHED:
            return b""
        members = event.body[1:-1]
        return text_frame(
            b'{"type":"%b",%b%b"position":"%b:%d"}'
            % (
                event.event_type.encode(),
                members,
                b"," if members else b"",
                event.epoch.encode(),
                event.offset,
            )
        )


def _frame(kind: str, echo: Echo, members: dict[str, Json]) -> bytes:
    return text_frame(msgspec.json.encode({"type": kind, **echo, **members}))
