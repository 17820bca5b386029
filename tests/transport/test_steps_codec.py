"""The codec of the steps: whatever comes in is a request or one refusal; what goes out is as the seed has it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Json, draft
from actors.log import Log
from actors.questions import ToolFailed, ToolReturned
from actors.retention import Retention
from actors.tool import ToolSpec
from tests.transport.json_values import json_values, proper_values
from tests.transport.read_frame import read_frame
from transport.dialects import steps, steps_events
from transport.dialects.steps import CancelTask, ConfirmStep, Echo, GetTools, Ping, Request, SubmitTask, ToolResult

KINDS = ["task:submit", "task:cancel", "step:confirm", "tool:result", "get:tools", "ping", "pong", ""]
FIELDS = ["task", "context", "agent", "sessionId", "taskId", "stepId", "approved", "callId", "result", "error"]

messages = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | json_values},
    optional={
        "data": st.dictionaries(st.sampled_from(FIELDS), json_values | st.text() | st.booleans()) | json_values,
        "id": json_values,
        "request_id": json_values,
    },
)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type":"task:submit","data":{"task":"分析数据","context":{}}}', SubmitTask("分析数据", {})),
        (
            '{"type":"task:submit","data":{"task":"分析数据","context":{"context":"value"}}}',
            SubmitTask("分析数据", {"context": "value"}),
        ),
        ('{"type":"task:submit","data":{"task":"go"}}', SubmitTask("go", {})),
        ('{"type":"task:cancel"}', CancelTask(None)),
        ('{"type":"task:cancel","data":{"taskId":"task-1"}}', CancelTask("task-1")),
        ('{"type":"step:confirm","data":{"stepId":"s1","approved":true}}', ConfirmStep("s1", True, None)),
        (
            '{"type":"tool:result","data":{"callId":"c","result":[1]}}',
            ToolResult("c", ToolReturned([1]), None),
        ),
        (
            '{"type":"tool:result","data":{"callId":"c","taskId":"t","error":"no"}}',
            ToolResult("c", ToolFailed("no"), "t"),
        ),
        ('{"type":"get:tools"}', GetTools()),
        ('{"type":"ping","data":{"any":1}}', Ping()),
    ],
)
def test_what_the_seed_sends_is_understood(text: str, command: steps.Command) -> None:
    assert steps.decode(text) == Request(Echo(), command)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", ErrorCode.INVALID_JSON),
        ('{"type":"ping"}{"type":"ping"}', ErrorCode.INVALID_JSON),
        ("[]", ErrorCode.INVALID_PAYLOAD),
        ("{}", ErrorCode.INVALID_PAYLOAD),
        ('{"type":"task:explode"}', ErrorCode.UNKNOWN_TYPE),
        ('{"type":"task:submit"}', ErrorCode.INVALID_PAYLOAD),
        ('{"type":"task:submit","data":{"task":" "}}', ErrorCode.INVALID_PAYLOAD),
        ('{"type":"task:submit","data":{"task":"x","context":[]}}', ErrorCode.INVALID_PAYLOAD),
        ('{"type":"step:confirm","data":{"stepId":"s1","approved":"yes"}}', ErrorCode.INVALID_PAYLOAD),
        ('{"type":"step:confirm","data":{"stepId":"","approved":true}}', ErrorCode.INVALID_PAYLOAD),
        ('{"type":"tool:result","data":{"callId":"c"}}', ErrorCode.INVALID_PAYLOAD),
        ('{"type":"tool:result","data":{"callId":"","result":1}}', ErrorCode.INVALID_PAYLOAD),
    ],
)
def test_bad_input_is_refused(text: str, code: ErrorCode) -> None:
    with pytest.raises(steps.RefusedError) as refused:
        steps.decode(text)
    assert refused.value.error.code is code


@given(st.text() | messages.map(json.dumps))
def test_any_text_is_a_request_or_one_refusal_that_can_be_told(text: str) -> None:
    try:
        request = steps.decode(text)
    except steps.RefusedError as refused:
        told = read_frame(steps_events.error_message(refused.echo, refused.error).frame)
        assert told["type"] == "error"
        assert told["data"]["message"]
    else:
        assert read_frame(steps_events.pong(request.echo).frame)["type"] == "pong"


@given(st.text() | st.integers(-(2**53), 2**53), st.sampled_from(["id", "request_id"]))
def test_a_request_is_named_on_every_reply(name: str | int, member: str) -> None:
    echo = steps.decode(json.dumps({"type": "ping", member: name})).echo
    refusal = CallboardError(ErrorCode.BUSY, "later", retry_after=1.5)
    replies = [
        steps_events.pong(echo),
        steps_events.accepted(echo, "task-1"),
        steps_events.tools_list(echo, [ToolSpec("clock", "Tells the time.", {"type": "object"})]),
        steps_events.error_message(echo, refusal),
    ]
    for reply in replies:
        assert read_frame(reply.frame)[member] == name
    assert read_frame(replies[3].frame)["data"] == {"message": "later", "code": "BUSY", "retryAfter": 1500}


def test_the_tools_are_described() -> None:
    told = read_frame(steps_events.tools_list(Echo(), [ToolSpec("clock", "Tells the time.", {"type": "object"})]).frame)
    described = {
        "name": "clock",
        "description": "Tells the time.",
        "category": "general",
        "parameters": {"type": "object"},
    }
    assert (told["type"], told["data"]) == ("tools:list", {"tools": [described]})


@given(st.sampled_from(["status", "step:progress", "custom", "error"]), proper_values)
def test_both_transports_carry_the_same_message_and_id(kind: str, data: Json) -> None:
    event = Log(ChannelKey("feed", "steps", "alice"), Retention(), epoch="e1").append(draft(kind, data, timestamp=17))
    frame = read_frame(steps_events.FrameEncoder().encode(event))
    assert frame == {"type": kind, "data": data, "timestamp": 17, "eventId": "e1:1"}
    *fields, end, nothing = steps_events.BlockEncoder().encode(event).decode().split("\n")
    assert (end, nothing) == ("", "")
    block: dict[str, Any] = dict(field.split(": ", 1) for field in fields)
    assert json.loads(block["data"]) == frame
    assert block["id"] == "e1:1"
    # EventSource takes a block named `error` for its own failure.
    assert block.get("event") == (None if kind == "error" else kind)
