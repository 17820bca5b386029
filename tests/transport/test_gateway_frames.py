"""What the gateway sends: each reply and each event is one object in one text frame."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.commands import (
    Receipt,
    TaskState,
    TaskView,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Json, draft
from actors.log import Log
from actors.position import Position
from actors.principal import Principal
from actors.retention import Retention
from tests.transport.json_values import proper_values
from tests.transport.read_frame import read_frame
from transport.dialects import gateway, gateway_replies
from transport.dialects.gateway_events import GatewayPayload

ids = st.none() | st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
POSITION = Position("e1", 7)


def task_view(task_id: str) -> TaskView:
    fields: dict[str, Any] = dict.fromkeys(TaskView.__struct_fields__)
    fields |= {"id": task_id, "agent": "echo", "state": TaskState.RUNNING, "user_id": "alice", "position": POSITION}
    return TaskView(**fields)


@given(ids, st.text(), st.text())
def test_every_reply_is_one_object_in_one_frame(named: str | float | None, name: str, words: str) -> None:
    asked = gateway.Subscribe(name, (words,), {words: "oldest"})
    action = gateway.TaskAction(name, words, None)
    refusal = CallboardError(ErrorCode.BUSY, words, retry_after=0.25)
    task = task_view(name)
    replies = {
        "auth.result": [
            gateway_replies.auth_result(named, Principal(name), words),
            gateway_replies.auth_failed(named, words),
        ],
        "subscribed": [gateway_replies.subscribed(named, asked, ())],
        "unsubscribed": [gateway_replies.unsubscribed(named, gateway.Unsubscribe(name, (words,)))],
        "task.result": [
            gateway_replies.task_refused(named, action, refusal),
            gateway_replies.task_result(named, words, task),
            gateway_replies.task_result(named, words, Receipt(task=task, position=POSITION, turn=2)),
        ],
        "session.output": [gateway_replies.exec_started(named, name, words)],
        "pong": [gateway_replies.pong(named)],
        "error": [gateway_replies.error_frame(named, refusal)],
    }
    for kind, sent in replies.items():
        for data in sent:
            reply = read_frame(data)
            assert reply["type"] == kind
            assert reply.get("id") == named
            assert isinstance(reply["timestamp"], int)


@pytest.mark.parametrize("code", [ErrorCode.BUSY, ErrorCode.UNAVAILABLE])
def test_a_refusal_of_a_code_that_the_dialect_has_not_is_told_as_the_nearest(code: ErrorCode) -> None:
    refusal = CallboardError(code, "full", retry_after=0.25)
    told = {"code": "RATE_LIMITED", "message": "full", "retry_after_ms": 250}
    assert read_frame(gateway_replies.error_frame("r", refusal))["payload"] == told
    refused = read_frame(gateway_replies.task_refused("r", gateway.TaskAction("t", "create", None), refusal))
    assert refused["payload"] == {"task_id": "t", "action": "create", "success": False, **told}


@given(proper_values)
@example("x" * 70_000)
@example("y" * 200)
def test_an_event_is_one_object_in_one_frame(data: Json) -> None:
    event = Log(ChannelKey("task", "t", "alice"), Retention(), epoch="e1").append(draft("agent.message", data))
    message = read_frame(gateway_replies.WebSocketEncoder(GatewayPayload()).encode(event))
    assert message.keys() == {"type", "payload", "timestamp"}
    assert message["type"] == "event"
    assert message["payload"]["data"] == data


def test_a_receipt_names_the_state_and_the_position() -> None:
    receipt = Receipt(task=task_view("t"), position=POSITION)
    reply = read_frame(gateway_replies.task_result("r", "cancel", receipt))
    told = {"task_id": "t", "action": "cancel", "success": True, "state": "running", "position": "e1:7"}
    assert reply["payload"] == told
