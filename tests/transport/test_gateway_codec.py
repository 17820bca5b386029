"""The gateway's codec: whatever comes in is a request or one refusal."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.commands import (
    AnswerToolCall,
    AppendTurn,
    CancelTask,
    ConfirmStep,
    CreateTask,
    ExecSession,
)
from actors.errors import ErrorCode
from actors.position import Position
from actors.questions import ToolFailed, ToolReturned
from tests.transport.json_values import json_values
from tests.transport.read_frame import read_frame
from transport.dialects import gateway, gateway_replies

kinds = st.sampled_from(["auth", "subscribe", "unsubscribe", "task.action", "session.exec", "ping", "pong", ""])
keys = st.sampled_from(
    ["token", "device_id", "channel", "topics", "since", "action", "task_id", "data", "session_id", "command"]
)
actions = st.sampled_from(["create", "cancel", "append_turn", "confirm", "tool_result", "explode"])
details = st.dictionaries(
    st.sampled_from(["agent", "prompt", "session_id", "context", "step_id", "approved", "call_id", "result", "error"]),
    json_values | st.text(),
)
since = st.dictionaries(
    st.text(max_size=3), json_values | st.fixed_dictionaries({"epoch": st.text(), "offset": json_values})
)
payloads = st.builds(
    lambda loose, strict: {**loose, **strict},
    st.dictionaries(keys, json_values),
    st.fixed_dictionaries(
        {},
        optional={
            "channel": st.text(),
            "topics": st.lists(st.text(max_size=3)),
            "action": actions,
            "task_id": st.text(),
            "data": details | st.text(),
            "since": since,
        },
    ),
)
frames = st.fixed_dictionaries(
    {"type": kinds | json_values},
    optional={"id": json_values, "payload": payloads | json_values, "timestamp": json_values},
)
POSITION = Position("e1", 7)


def outcome(text: str) -> gateway.Request | gateway.RefusedError:
    """What becomes of a frame; it can be answered in either case."""
    found = refusal(text)
    if found is None:
        request = gateway.decode(text)
        assert read_frame(gateway_replies.pong(request.id)).get("id") == request.id
        return request
    reply = read_frame(gateway_replies.error_frame(found.id, found.error))
    assert reply["type"] == "error"
    assert reply["payload"]["message"]
    assert reply.get("id") == found.id
    return found


def refusal(text: str) -> gateway.RefusedError | None:
    try:
        gateway.decode(text)
    except gateway.RefusedError as refused:
        return refused
    return None


@given(st.text(st.characters()))
@example("\ud800")
@example("\ufeff{}")
@example("null")
@example('"\\ud800"')
@example('{"id":"\\udfff","type":"ping"}')
@example('{"type":"ping"} {"type":"ping"}')
def test_any_text_is_a_request_or_a_refusal(text: str) -> None:
    outcome(text)


@given(json_values)
def test_any_json_is_a_request_or_a_refusal(value: object) -> None:
    outcome(json.dumps(value))


@given(frames, st.booleans())
def test_a_near_miss_is_a_request_or_a_refusal_with_its_id(frame: dict[str, Any], ascii_only: bool) -> None:
    found = outcome(json.dumps(frame, ensure_ascii=ascii_only))
    named = frame.get("id")
    not_json = isinstance(found, gateway.RefusedError) and found.error.code is ErrorCode.INVALID_JSON
    echoed = named if isinstance(named, str | int | float) and not isinstance(named, bool) and not not_json else None
    assert found.id == echoed


@pytest.mark.parametrize(
    "opening", ["[", '{"a":', '{"type":"ping","payload":[', '{"type":"session.exec","payload":{"a":[']
)
@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_nesting_without_end_is_refused(opening: str, depth: int) -> None:
    found = outcome(opening * depth)
    assert isinstance(found, gateway.RefusedError)
    assert found.error.code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("named", ["1", "true"])
def test_nesting_of_any_depth_is_answered(named: str) -> None:
    for depth in range(sys.getrecursionlimit() + 20):
        nested = "[" * depth + "]" * depth
        outcome(f'{{"id":{named},"type":"task.action","payload":{{"action":"create","data":{nested}}}}}')


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "9" * 400, "9" * 5000, "-0", "0.1e-999", "NaN", "Infinity", "0x1"]
)
def test_numbers_beyond_bounds_are_answered(number: str) -> None:
    outcome(f'{{"id":{number},"type":"ping"}}')
    outcome(f'{{"type":"subscribe","payload":{{"channel":"task","since":{{"t":{{"epoch":"e","offset":{number}}}}}}}}}')


GOLDEN: list[tuple[str, dict[str, Any] | None, gateway.Command]] = [
    ("ping", None, gateway.Ping()),
    ("ping", {"anything": 1}, gateway.Ping()),
    ("auth", {"token": "ab_1"}, gateway.Auth("ab_1")),
    ("auth", {"token": "ab_1", "device_id": "phone"}, gateway.Auth("ab_1", "phone")),
    ("subscribe", {"channel": "task"}, gateway.Subscribe("task", (), {})),
    ("subscribe", {"channel": "task", "topics": ["a", "b"]}, gateway.Subscribe("task", ("a", "b"), {})),
    (
        "subscribe",
        {"channel": "task", "topics": ["a"], "since": {"a": {"epoch": "e1", "offset": 7}}},
        gateway.Subscribe("task", ("a",), {"a": POSITION}),
    ),
    ("subscribe", {"channel": "app", "since": {"a": "e1:7"}}, gateway.Subscribe("app", (), {"a": POSITION})),
    ("subscribe", {"channel": "app", "since": {"a": "0"}}, gateway.Subscribe("app", (), {"a": "oldest"})),
    ("unsubscribe", {"channel": "task"}, gateway.Unsubscribe("task", ())),
    ("unsubscribe", {"channel": "task", "topics": ["a"]}, gateway.Unsubscribe("task", ("a",))),
    ("task.action", {"task_id": "t", "action": "cancel"}, gateway.TaskAction("t", "cancel", CancelTask("t"))),
    (
        "task.action",
        {"task_id": "t", "action": "append_turn", "data": "go on"},
        gateway.TaskAction("t", "append_turn", AppendTurn("t", "go on")),
    ),
    (
        "task.action",
        {"task_id": "t", "action": "append_turn", "data": {"prompt": "go on"}},
        gateway.TaskAction("t", "append_turn", AppendTurn("t", "go on")),
    ),
    (
        "task.action",
        {"task_id": "t", "action": "confirm", "data": {"step_id": "s", "approved": False}},
        gateway.TaskAction("t", "confirm", ConfirmStep("t", "s", approved=False)),
    ),
    (
        "task.action",
        {"task_id": "t", "action": "tool_result", "data": {"call_id": "c", "result": None}},
        gateway.TaskAction("t", "tool_result", AnswerToolCall("t", "c", ToolReturned(None))),
    ),
    (
        "task.action",
        {"task_id": "t", "action": "tool_result", "data": {"call_id": "c", "error": "no"}},
        gateway.TaskAction("t", "tool_result", AnswerToolCall("t", "c", ToolFailed("no"))),
    ),
    (
        "task.action",
        {"action": "create", "data": {"agent": "offline", "prompt": "hi", "context": {"k": [1]}}},
        gateway.TaskAction("", "create", CreateTask(agent="offline", prompt="hi", context={"k": [1]})),
    ),
    ("task.action", {"task_id": "t", "action": "explode"}, gateway.TaskAction("t", "explode", None)),
    ("session.exec", {"session_id": "s", "command": "ls"}, ExecSession("s", "ls")),
]


TOOL_RESULT = '{"type":"task.action","payload":{"action":"tool_result","task_id":"t","data":%s}}'


@pytest.mark.parametrize(("kind", "payload", "command"), GOLDEN)
def test_every_message_of_the_dialect(kind: str, payload: dict[str, Any] | None, command: gateway.Command) -> None:
    frame: dict[str, Any] = {"id": "r1", "type": kind, "timestamp": 1_700_000_000_000, "unknown": [1]}
    if payload is not None:
        frame["payload"] = payload
    assert gateway.decode(json.dumps(frame)) == gateway.Request("r1", command)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "INVALID_JSON"),
        ("{", "INVALID_JSON"),
        ("[]", "INVALID_PAYLOAD"),
        ('"type": "ping"}', "INVALID_JSON"),
        ('{"type":"ping","payload":{"a":1,}}', "INVALID_JSON"),
        ('{"type":"auth","payload":{"token":"\\q"}}', "INVALID_JSON"),
        ("{}", "INVALID_PAYLOAD"),
        ('{"type":7}', "INVALID_PAYLOAD"),
        ('{"type":"Ping"}', "UNKNOWN_TYPE"),
        ('{"type":"auth"}', "INVALID_PAYLOAD"),
        ('{"type":"auth","payload":null}', "INVALID_PAYLOAD"),
        ('{"type":"auth","payload":{"token":7}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"topics":[]}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":"task","topics":"t"}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":"task","topics":["a"],"since":{"b":"e:1"}}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":"task","since":{"b":"e"}}}', "INVALID_PAYLOAD"),
        ('{"type":"task.action","payload":{"action":"cancel"}}', "INVALID_PAYLOAD"),
        ('{"type":"task.action","payload":{"action":"confirm","task_id":"t","data":true}}', "INVALID_PAYLOAD"),
        (TOOL_RESULT % "{}", "INVALID_PAYLOAD"),
        (TOOL_RESULT % '{"call_id":"c"}', "INVALID_PAYLOAD"),
        (TOOL_RESULT % '{"call_id":"c","result":1,"error":"x"}', "INVALID_PAYLOAD"),
        (TOOL_RESULT % '{"call_id":"c","error":7}', "INVALID_PAYLOAD"),
        (TOOL_RESULT % '{"result":1}', "INVALID_PAYLOAD"),
        ('{"type":"session.exec","payload":{"session_id":"s"}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":5,"channel":"task"}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":1e999}}', "INVALID_PAYLOAD"),
        ('{"type":"none","payload":{"channel":1e999}}', "UNKNOWN_TYPE"),
    ],
)
def test_every_kind_of_refusal(text: str, code: str) -> None:
    found = outcome(text)
    assert isinstance(found, gateway.RefusedError)
    assert found.error.code == code


def test_what_nobody_reads_may_be_any_number() -> None:
    ping = '{"id":1,"type":"ping","payload":{"a":1e999}}'
    assert gateway.decode(ping) == gateway.Request(1, gateway.Ping())


def test_a_name_that_is_none_is_passed_over() -> None:
    assert gateway.decode('{"id":true,"request_id":[1],"type":"ping"}') == gateway.Request(None, gateway.Ping())
    subscribe = '{"id":{},"type":"subscribe","payload":{"channel":"app","topics":["news"]}}'
    assert gateway.decode(subscribe) == gateway.Request(None, gateway.Subscribe("app", ("news",), {}))


@pytest.mark.parametrize(("length", "refused"), [(256, False), (257, True)])
def test_the_name_of_a_device_is_not_endless(length: int, refused: bool) -> None:
    frame = {"type": "auth", "payload": {"token": "t", "device_id": "d" * length}}
    assert isinstance(outcome(json.dumps(frame)), gateway.RefusedError) is refused
