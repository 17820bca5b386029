"""Requests in the agent dialect: the examples of its document, and anything else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commands import AnswerToolCall, ConfirmStep
from actors.position import Position
from actors.questions import ToolFailed, ToolReturned
from tests.transport.dialects.agent_frames import JSON, content
from transport.dialects import agent, agent_replies
from transport.dialects.agent import (
    Cancel,
    History,
    JoinRoom,
    LeaveRoom,
    ListMembers,
    Ping,
    Query,
    RefusedError,
    Request,
    TalkInRoom,
    ToolCall,
    Topic,
    Unwatch,
    UnwatchAll,
    Watch,
    WatchAll,
)

KINDS = st.sampled_from(
    (
        *("ping", "cancel", "agent_query", "streaming_query", "tool_call", "watch", "unwatch", "history", "confirm"),
        "client_tool_result",
        *("room_join", "room_leave", "room_message", "room_members", "dance"),
    )
)
NAMES = st.sampled_from(
    [
        *("query", "tool_name", "params", "task_id", "session_id", "channel", "since", "limit", "room", "content"),
        *("request_id", "id", "step_id", "approved", "call_id", "result", "error"),
    ]
)


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('{"type": "ping"}', Ping()),
        (
            '{"type": "agent_query", "query": "你好，请介绍一下你自己"}',
            Query("你好，请介绍一下你自己", streaming=False),
        ),
        (
            '{"type": "streaming_query", "query": "用Python写一个快速排序"}',
            Query("用Python写一个快速排序", streaming=True),
        ),
        (
            '{"type": "tool_call", "tool_name": "calculator", "params": {"expression": "123 + 456"}}',
            ToolCall("calculator", {"expression": "123 + 456"}),
        ),
        ('{"type": "cancel"}', Cancel()),
        ('{"type": "agent_query", "query": "q", "session_id": "s"}', Query("q", streaming=False, session_id="s")),
        ('{"type": "watch", "task_id": "t"}', Watch(Topic("task", "t"), "live")),
        ('{"type": "watch", "session_id": "s", "since": "e:7"}', Watch(Topic("session", "s"), Position("e", 7))),
        ('{"type": "cancel", "task_id": "t"}', Cancel("t")),
        ('{"type": "watch", "channel": "task"}', WatchAll("task")),
        ('{"type": "watch", "channel": "system"}', WatchAll("system")),
        ('{"type": "unwatch", "channel": "session"}', UnwatchAll("session")),
        ('{"type": "unwatch", "session_id": "s"}', Unwatch(Topic("session", "s"))),
        ('{"type": "history", "task_id": "t", "limit": 5}', History(Topic("task", "t"), "oldest", 5)),
        ('{"type": "confirm", "task_id": "t", "step_id": "s", "approved": true}', ConfirmStep("t", "s", True)),
        (
            '{"type": "client_tool_result", "task_id": "t", "call_id": "c", "result": null}',
            AnswerToolCall("t", "c", ToolReturned(None)),
        ),
        (
            '{"type": "client_tool_result", "task_id": "t", "call_id": "c", "error": "no"}',
            AnswerToolCall("t", "c", ToolFailed("no")),
        ),
        ('{"type": "history", "room": "r"}', History(Topic("room", "r"), "oldest", 1000)),
        ('{"type": "room_join", "room": "r", "since": "0"}', JoinRoom("r", "oldest")),
        ('{"type": "room_leave", "room": "r"}', LeaveRoom("r")),
        ('{"type": "room_message", "room": "r", "content": "c"}', TalkInRoom("r", "c")),
        ('{"type": "room_members", "room": "r"}', ListMembers("r")),
    ],
)
def test_requests(text: str, command: agent.Command) -> None:
    assert agent.decode(text) == Request((), command)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("{", "Invalid JSON format"),
        ("[]", "Invalid JSON format"),
        ("[" * 100_000, "Invalid JSON format"),
        ('{"type": "dance"}', "Unknown message type: dance"),
        ("{}", "Unknown message type: null"),
        ('{"type": ["ping"]}', 'Unknown message type: ["ping"]'),
        ('{"type": "agent_query"}', "Query is required"),
        ('{"type": "agent_query", "query": " "}', "Query is required"),
        ('{"type": "streaming_query", "query": 5}', "Query is required"),
        ('{"type": "tool_call"}', "Tool name is required"),
        ('{"type": "tool_call", "tool_name": ""}', "Tool name is required"),
        ('{"type": "confirm", "task_id": "t", "step_id": "s"}', "approved is true or false"),
        ('{"type": "client_tool_result", "task_id": "t", "call_id": "c"}', "One of result and error is required"),
        (
            '{"type": "client_tool_result", "task_id": "t", "call_id": "c", "result": 1, "error": "no"}',
            "One of result and error is required",
        ),
        ('{"type": "client_tool_result", "task_id": "t", "result": 1}', "call_id is required"),
        ('{"type": "room_join"}', "room is required"),
        ('{"type": "room_message", "room": "r", "content": 5}', "content is required"),
        ('{"type": "watch"}', "One of task_id and session_id is required"),
        ('{"type": "watch", "task_id": "t", "session_id": "s"}', "One of task_id and session_id is required"),
        ('{"type": "watch", "channel": "app"}', "channel is task, session or system"),
        ('{"type": "cancel", "task_id": 5}', "task_id is a string"),
        ('{"type": "watch", "task_id": "t", "since": "yesterday"}', "a position is written <epoch>:<offset>"),
        ('{"type": "history", "task_id": "t", "limit": true}', "limit is a number from 1 to 1000"),
        ('{"type": "history", "task_id": "t", "limit": 1001}', "limit is a number from 1 to 1000"),
    ],
)
def test_refusals(text: str, error: str) -> None:
    with pytest.raises(RefusedError) as refused:
        agent.decode(text)
    assert refused.value.message == error


@pytest.mark.parametrize(
    ("named", "echo"),
    [
        ('"request_id": "r"', (("request_id", "r"),)),
        ('"id": 7', (("id", 7),)),
        ('"id": 1.5, "request_id": "r"', (("request_id", "r"), ("id", 1.5))),
        ('"id": true', ()),
        ('"id": {}', ()),
        ('"id": 36893488147419103232', ()),
    ],
)
def test_what_a_request_was_named_is_echoed_also_on_a_refusal(named: str, echo: agent.Echo) -> None:
    assert agent.decode(f'{{"type": "ping", {named}}}').echo == echo
    with pytest.raises(RefusedError) as refused:
        agent.decode(f'{{"type": "dance", {named}}}')
    assert refused.value.echo == echo
    assert content(agent_replies.error(echo, "no")) == {"type": "error", "error": "no", **dict(echo)}


@given(st.text() | st.dictionaries(st.just("type"), KINDS).map(lambda frame: orjson.dumps(frame).decode()))
def test_any_text_is_a_request_or_one_refusal(text: str) -> None:
    try:
        echo = agent.decode(text).echo
    except RefusedError as refused:
        echo = refused.echo
    assert content(agent_replies.frame(echo, "pong"))["type"] == "pong"


@given(KINDS | JSON, st.dictionaries(NAMES, JSON))
def test_any_object_is_a_request_or_one_refusal(kind: object, fields: dict[str, Any]) -> None:
    try:
        text = orjson.dumps({**fields, "type": kind}).decode()
    except TypeError:
        return
    try:
        echo = agent.decode(text).echo
    except RefusedError as refused:
        echo = refused.echo
    assert content(agent_replies.frame(echo, "pong"))["type"] == "pong"
