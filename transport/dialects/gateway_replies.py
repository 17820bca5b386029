"""What the gateway dialect answers and pushes: each reply and each event as one text frame. Pure functions."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from actors.admission import Admission
from actors.commands import Receipt, TaskState, TaskView
from actors.errors import CallboardError, ErrorCode
from actors.event import Event, Json, now_ms
from actors.principal import Principal
from transport.dialects.gateway import RequestId, RequestNames, Subscribe, TaskAction, Unsubscribe
from transport.dialects.gateway_events import GatewayPayload
from transport.text_frame import text_frame

_ENCODER = msgspec.json.Encoder()
_CODES_ON_THE_WIRE = {
    ErrorCode.BUSY: ErrorCode.RATE_LIMITED,
    ErrorCode.CONFLICT: ErrorCode.EXEC_FAILED,
    ErrorCode.INTERNAL: ErrorCode.EXEC_FAILED,
    ErrorCode.TOO_LARGE: ErrorCode.INVALID_PAYLOAD,
    ErrorCode.UNAVAILABLE: ErrorCode.RATE_LIMITED,
}
"""The dialect has nine codes: what the table of errors has beyond them is told as the nearest."""


class _Reply(msgspec.Struct, frozen=True, gc=False):
    """What is unset is not on the wire. Replies of which there are many have a payload with a form of its own: to make
    and encode it takes half of what a dict does."""

    type: str
    timestamp: int
    payload: object = UNSET
    request_id: str | int | float | UnsetType = UNSET
    id: str | int | float | UnsetType = UNSET


class _Start(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where the subscription to a topic starts; of a topic that is gone there is no more than that it is."""

    epoch: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
    recovered: bool


_GONE = _Start(recovered=False)


class _Subscribed(msgspec.Struct, frozen=True, gc=False):
    channel: str
    topics: tuple[str, ...]
    success: bool
    positions: dict[str, _Start]
    recovered: bool | UnsetType = UNSET


class _TaskResult(msgspec.Struct, frozen=True, gc=False):
    task_id: str
    action: str
    success: bool
    state: TaskState
    position: str
    turn: int | UnsetType = UNSET


def auth_result(request_id: RequestId, principal: Principal, device_id: str) -> bytes:
    payload: dict[str, Json] = {"success": True, "user_id": principal.user_id, "device_id": device_id}
    return _reply(request_id, "auth.result", payload)


def auth_failed(request_id: RequestId, message: str) -> bytes:
    return _reply(request_id, "auth.result", {"success": False, "message": message})


def subscribed(request_id: RequestId, asked: Subscribe, admissions: tuple[Admission, ...]) -> bytes:
    """Where each subscription starts. A topic of `since` that is gone is there too, as not recovered."""
    positions = dict.fromkeys(asked.since, _GONE)
    for admission in admissions:
        positions[admission.key.topic] = _Start(
            epoch=admission.epoch, offset=admission.start.offset, recovered=admission.recovered
        )
    recovered = all(positions[topic].recovered for topic in asked.since) if asked.since else UNSET
    payload = _Subscribed(asked.channel, asked.topics, True, positions, recovered)
    return _reply(request_id, "subscribed", payload)


def unsubscribed(request_id: RequestId, asked: Unsubscribe) -> bytes:
    payload: dict[str, Json] = {"channel": asked.channel, "topics": list(asked.topics), "success": True}
    return _reply(request_id, "unsubscribed", payload)


def task_result(request_id: RequestId, action: str, outcome: Receipt | TaskView) -> bytes:
    """`position` is what was emitted last, for a resume from there; on `create` it is before the first event."""
    turn = None
    if isinstance(outcome, Receipt):
        task, turn = outcome.task, outcome.turn
    else:
        task = outcome
    payload = _TaskResult(task.id, action, True, task.state, str(outcome.position), UNSET if turn is None else turn)
    return _reply(request_id, "task.result", payload)


def task_refused(request_id: RequestId, asked: TaskAction, error: CallboardError) -> bytes:
    payload: dict[str, Json] = {
        "task_id": asked.task_id,
        "action": asked.action,
        "success": False,
        "code": _code(error),
        "message": error.message,
    }
    if error.details:
        payload["details"] = error.details
    _add_retry(payload, error)
    return _reply(request_id, "task.result", payload)


def exec_started(request_id: RequestId, session_id: str, exec_id: str) -> bytes:
    payload: dict[str, Json] = {"session_id": session_id, "exec_id": exec_id, "type": "started"}
    return _reply(request_id, "session.output", payload)


def pong(request_id: RequestId) -> bytes:
    return _reply(request_id, "pong")


def error_frame(request_id: RequestId, error: CallboardError) -> bytes:
    payload: dict[str, Json] = {"code": _code(error), "message": error.message}
    _add_retry(payload, error)
    return _reply(request_id, "error", payload)


class WebSocketEncoder:
    """An event as one text frame, the same bytes for every client: a server's frames are not masked."""

    __slots__ = ("_payload",)

    def __init__(self, payload: GatewayPayload) -> None:
        self._payload = payload

    def encode(self, event: Event) -> bytes:
        payload = self._payload.encode(event)
        return text_frame(b'{"type":"event","payload":%b,"timestamp":%d}' % (payload, event.timestamp))


def _reply(request_id: RequestId, kind: str, payload: object = UNSET) -> bytes:
    match request_id:
        case None:
            reply = _Reply(kind, now_ms(), payload)
        case RequestNames():
            named = UNSET if request_id.id is None else request_id.id
            reply = _Reply(kind, now_ms(), payload, request_id.request_id, named)
        case _:
            reply = _Reply(kind, now_ms(), payload, id=request_id)
    return text_frame(_ENCODER.encode(reply))


def _add_retry(payload: dict[str, Json], error: CallboardError) -> None:
    if error.retry_after is not None:
        payload["retry_after_ms"] = round(error.retry_after * 1000)


def _code(error: CallboardError) -> str:
    return _CODES_ON_THE_WIRE.get(error.code, error.code).value
