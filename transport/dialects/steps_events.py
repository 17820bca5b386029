"""What the steps dialect sends: each event and each reply as one JSON object, framed for both transports."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from actors.admission import Admission
from actors.errors import CallboardError
from actors.event import Draft, Event, Json, now_ms
from actors.position import Position
from actors.redaction import REDACTED
from actors.tool import ToolSpec
from transport.dialects.steps import Echo
from transport.text_frame import text_frame

_RETRY_MS = 3000


class Message(msgspec.Struct, frozen=True):
    """One message to one client. `position` where it tells the client how far it is; `body` is the whole JSON."""

    kind: str
    body: bytes
    position: str = ""

    @property
    def frame(self) -> bytes:
        """For a WebSocket."""
        return text_frame(self.body)

    @property
    def block(self) -> bytes:
        """For an event stream."""
        return _block(self.kind, self.position.encode(), self.body)


class FrameEncoder:
    """An event as one text frame."""

    __slots__ = ()

    def encode(self, event: Event) -> bytes:
        return b"" if event.event_type == REDACTED else text_frame(event_body(event))


class BlockEncoder:
    """An event as one block of an event stream."""

    __slots__ = ()

    def encode(self, event: Event) -> bytes:
        if event.event_type == REDACTED:
            return b""
        return _block(event.event_type, b"%b:%d" % (event.epoch.encode(), event.offset), event_body(event))


def connected(client_id: str, admission: Admission) -> Message:
    """The greeting. Without an event a client has a position already. `recovered` is false where events that it asked
    for are gone."""
    position = str(Position(admission.epoch, admission.start.offset))
    data: Json = {"clientId": client_id, "recovered": admission.recovered}
    return Message("connected", _encode({"type": "connected", "data": data, "eventId": position}), position)


def told(draft: Draft) -> Message:
    """What the feed says, to one client that has come too late for it."""
    body = b'{"type":"%b","data":%b,"timestamp":%d}' % (draft.event_type.encode(), draft.body, draft.timestamp)
    return Message(draft.event_type, body)


def tools_list(echo: Echo, tools: Sequence[ToolSpec]) -> Message:
    described: list[Json] = [
        {"name": t.name, "description": t.description, "category": t.category, "parameters": t.parameters}
        for t in tools
    ]
    return _reply("tools:list", echo, {"tools": described})


def accepted(echo: Echo, task_id: str) -> Message:
    """For a request that has a name and no reply of its own."""
    return _reply("accepted", echo, {"taskId": task_id})


def pong(echo: Echo) -> Message:
    return _reply("pong", echo, {})


def error_message(echo: Echo, error: CallboardError) -> Message:
    data: dict[str, Json] = {"message": error.message, "code": error.code.value}
    if error.retry_after is not None:
        data["retryAfter"] = round(error.retry_after * 1000)
    if error.details:
        data["details"] = error.details
    return _reply("error", echo, data)


def _reply(kind: str, echo: Echo, data: dict[str, Json]) -> Message:
    named: dict[str, Json] = msgspec.to_builtins(echo)
    return Message(kind, _encode({"type": kind, "data": data, **named}))


def _encode(message: dict[str, Json]) -> bytes:
    return msgspec.json.encode({**message, "timestamp": now_ms()})


def event_body(event: Event) -> bytes:
    """The JSON object of an event."""
    # A type and an epoch hold no character that JSON escapes: `check_event_type` and `Log` see to that.
    return b'{"type":"%b","data":%b,"timestamp":%d,"eventId":"%b:%d"}' % (
        event.event_type.encode(),
        event.body,
        event.timestamp,
        event.epoch.encode(),
        event.offset,
    )


def _block(kind: str, position: bytes, body: bytes) -> bytes:
    # A block named `error` would set off EventSource's own handler for a broken connection: it goes unnamed.
    named = b"" if kind == "error" else b"event: %b\n" % kind.encode()
    identified = b"id: %b\n" % position if position else b""
    retry = b"retry: %d\n" % _RETRY_MS if kind == "connected" else b""
    return b"%b%b%bdata: %b\n\n" % (named, identified, retry, body)
