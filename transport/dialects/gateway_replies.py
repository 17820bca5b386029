"""What the gateway dialect answers and pushes: each reply and each event as one text frame. Pure functions."""

from __future__ import annotations

import msgspec

from actors.admission import Admission
from actors.commands import Receipt, TaskView
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


def auth_result(request_id: RequestId, principal: Principal, device_id: str) -> bytes:
    payload: dict[str, Json] = {"success": True, "user_id": principal.user_id, "device_id": device_id}
    return _reply(request_id, "auth.result", payload)


def auth_failed(request_id: RequestId, message: str) -> bytes:
    return _reply(request_id, "auth.result", {"success": False, "message": message})


def subscribed(request_id: RequestId, asked: Subscribe, admissions: tuple[Admission, ...]) -> bytes:
    """Where each subscription starts. A topic of `since` that is gone is there too, as not recovered."""
    positions: dict[str, Json] = {topic: {"recovered": False} for topic in asked.since}
    for admission in admissions:
        positions[admission.key.topic] = {
            "epoch": admission.epoch,
            "offset": admission.start.offset,
            "recovered": admission.recovered,
        }
    payload: dict[str, Json] = {
        "channel": asked.channel,
        "topics": list(asked.topics),
        "success": True,
        "positions": positions,
    }
    if asked.since:
        by_topic = {admission.key.topic: admission.recovered for admission in admissions}
        payload["recovered"] = all(by_topic.get(topic, False) for topic in asked.since)
    return _reply(request_id, "subscribed", payload)


def unsubscribed(request_id: RequestId, asked: Unsubscribe) -> bytes:
    payload: dict[str, Json] = {"channel": asked.channel, "topics": list(asked.topics), "success": True}
    return _reply(request_id, "unsubscribed", payload)


def task_result(request_id: RequestId, action: str, outcome: Receipt | TaskView) -> bytes:
    """`position` is what was emitted last, for a resume from there; on `create` it is before the first event."""
    task = outcome.task if isinstance(outcome, Receipt) else outcome
    payload: dict[str, Json] = {
        "task_id": task.id,
        "action": action,
        "success": True,
        "state": task.state.value,
        "position": str(outcome.position),
    }
    if isinstance(outcome, Receipt) and outcome.turn is not None:
        payload["turn"] = outcome.turn
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
    return _reply(request_id, "pong", None)


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


def _reply(request_id: RequestId, kind: str, payload: dict[str, Json] | None) -> bytes:
    message: dict[str, Json] = {"type": kind, "timestamp": now_ms()}
    if payload is not None:
        message["payload"] = payload
    match request_id:
        case None:
            pass
        case RequestNames():
            message["request_id"] = request_id.request_id
            if request_id.id is not None:
                message["id"] = request_id.id
        case _:
            message["id"] = request_id
    return text_frame(_ENCODER.encode(message))


def _add_retry(payload: dict[str, Json], error: CallboardError) -> None:
    if error.retry_after is not None:
        payload["retry_after_ms"] = round(error.retry_after * 1000)


def _code(error: CallboardError) -> str:
    return _CODES_ON_THE_WIRE.get(error.code, error.code).value
