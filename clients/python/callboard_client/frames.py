"""The gateway dialect from the client's side: requests to text, the server's text to typed frames. Pure functions."""

from __future__ import annotations

import time
from typing import Any, TypeAlias, TypeVar

import msgspec

from callboard_client.errors import NotUnderstood, RequestRefused
from callboard_client.events import Event, Gap, Position
from callboard_client.snapshots import STATES, Pushed, SessionSnapshot, Snapshot, TaskSnapshot


class Reply(msgspec.Struct, frozen=True):
    """The answer to the request of this id. `id` is None where the server could not read one."""

    id: str | None
    kind: str
    payload: dict[str, Any]


ServerFrame: TypeAlias = Reply | Pushed


class Place(msgspec.Struct, frozen=True):
    """Where a subscription to one topic starts. No `epoch`: the topic is no more."""

    epoch: str = ""
    offset: int = 0
    recovered: bool = True


class Subscribed(msgspec.Struct, frozen=True):
    positions: dict[str, Place]


class Welcome(msgspec.Struct, frozen=True):
    """The answer to a credential."""

    success: bool
    user_id: str = ""
    device_id: str = ""
    message: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """A command to a task was taken. `position` is the task's last event by then, for a new task the place before its
    first; `turn` is the number that an appended turn will have."""

    task_id: str
    state: str
    position: str
    turn: int | None = None


class ExecStarted(msgspec.Struct, frozen=True):
    """A command runs in a session; its output comes on channel `session`, marked with the `exec_id`, up to `done`."""

    session_id: str
    exec_id: str


class _Frame(msgspec.Struct, frozen=True):
    type: str
    id: str | None = None
    payload: msgspec.Raw = msgspec.Raw(b"{}")


class _EventPayload(msgspec.Struct, frozen=True):
    channel: str
    topic: str
    event_type: str
    data: Any
    offset: int
    epoch: str
    timestamp: int
    from_: int | None = msgspec.field(default=None, name="from")


class _GapData(msgspec.Struct, frozen=True):
    from_: int = msgspec.field(name="from")
    to: int
    reason: str


_FRAME = msgspec.json.Decoder(_Frame)
_EVENT = msgspec.json.Decoder(_EventPayload)
_OBJECT = msgspec.json.Decoder(dict[str, Any])

_Payload = TypeVar("_Payload")


def encode_request(request_id: str, kind: str, payload: dict[str, Any]) -> str:
    """One request as a text frame. Raises TypeError for a payload that is not JSON."""
    frame = {"id": request_id, "type": kind, "payload": payload, "timestamp": time.time_ns() // 1_000_000}
    return msgspec.json.encode(frame).decode()


def decode(text: str | bytes) -> ServerFrame:
    """What the server says in a frame. Raises NotUnderstood."""
    try:
        frame = _FRAME.decode(text)
        if frame.type == "event":
            return _pushed(_EVENT.decode(frame.payload))
        return Reply(frame.id, frame.type, _OBJECT.decode(frame.payload))
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise NotUnderstood(f"the server does not speak the gateway's protocol: {error}") from error


def read(reply: Reply, kind: type[_Payload]) -> _Payload:
    """The payload of a good answer. Raises RequestRefused where it is a refusal, and NotUnderstood."""
    payload = reply.payload
    if reply.kind == "error" or (kind is not Welcome and payload.get("success") is False):
        raise refusal(payload)
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise NotUnderstood(f"the answer {reply.kind!r} is not as expected: {error}") from error


def refusal(payload: dict[str, Any]) -> RequestRefused:
    delay = payload.get("retry_after_ms")
    seconds = delay / 1000 if isinstance(delay, int | float) else None
    message = str(payload.get("message", "the server gives no reason"))
    details = payload.get("details")
    known = details if isinstance(details, dict) else None
    return RequestRefused(str(payload.get("code", "")), message, retry_after=seconds, details=known)


def _pushed(payload: _EventPayload) -> Pushed:
    position = Position(payload.epoch, payload.offset)
    if payload.event_type == "snapshot" and payload.channel in STATES:
        return Snapshot(
            channel=payload.channel,
            topic=payload.topic,
            state=_state(payload),
            position=position,
            first=payload.offset if payload.from_ is None else payload.from_,
            timestamp=payload.timestamp,
        )
    if payload.event_type == "gap":
        try:
            told = msgspec.convert(payload.data, _GapData)
        except msgspec.ValidationError:
            # A publisher's own event, which happens to have the name.
            pass
        else:
            return Gap(
                channel=payload.channel,
                topic=payload.topic,
                first=told.from_,
                last=told.to,
                reason=told.reason,
                position=position,
            )
    return Event(
        channel=payload.channel,
        topic=payload.topic,
        event_type=payload.event_type,
        data=payload.data,
        position=position,
        first=payload.offset if payload.from_ is None else payload.from_,
        timestamp=payload.timestamp,
    )


def _state(payload: _EventPayload) -> TaskSnapshot | SessionSnapshot:
    try:
        return msgspec.convert(payload.data, STATES[payload.channel])
    except msgspec.ValidationError as error:
        raise NotUnderstood(f"the snapshot of {payload.topic} is not as expected: {error}") from error
