"""The agent dialect's frames: the examples of its document, and anything else."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Draft, Event, Merge, draft
from actors.log import Log, Retention
from actors.position import Position
from transport.dialects import agent, agent_replies
from transport.dialects.agent import (
    Cancel,
    History,
    Ping,
    Query,
    RefusedError,
    Request,
    ToolCall,
    Topic,
    Unwatch,
    Watch,
)
from transport.dialects.agent_answer import Answer
from transport.dialects.agent_events import AgentEncoder, event_message

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    ["ping", "cancel", "agent_query", "streaming_query", "tool_call", "watch", "unwatch", "history", "other"]
)
NAMES = st.sampled_from(["query", "tool_name", "params", "task_id", "session_id", "since", "limit", "request_id", "id"])


def content(frame: bytes) -> dict[str, Any]:
    """The JSON of a frame, its time taken out."""
    start = {126: 4, 127: 10}.get(frame[1], 2)
    message: dict[str, Any] = orjson.loads(frame[start:])
    assert isinstance(message.pop("timestamp"), float)
    return message


def event(channel: str, draft: Draft) -> Event:
    return Log(ChannelKey(channel, "x-1", "alice"), Retention(), epoch="e").append(draft)


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
        ('{"type": "unwatch", "session_id": "s"}', Unwatch(Topic("session", "s"))),
        ('{"type": "history", "task_id": "t", "limit": 5}', History(Topic("task", "t"), "oldest", 5)),
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
        ('{"type": "watch"}', "One of task_id and session_id is required"),
        ('{"type": "watch", "task_id": "t", "session_id": "s"}', "One of task_id and session_id is required"),
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


def test_the_documents_replies() -> None:
    assert content(agent_replies.connected("uuid-xxx")) == {
        "type": "connected",
        "connection_id": "uuid-xxx",
        "message": "Connected to Agent WebSocket",
    }
    assert content(agent_replies.frame((), "tool_result", tool_name="calculator", result=579)) == {
        "type": "tool_result",
        "tool_name": "calculator",
        "result": 579,
    }
    assert content(agent_replies.cancelled((), [(("id", 1),), ()])) == {
        "type": "cancelled",
        "requests": [{"id": 1}, {}],
    }


@pytest.mark.parametrize(
    ("channel", "emitted", "said"),
    [
        ("task", draft("task.started", {"agent": "a"}), {"type": "stream_start", "vendor": "a", "task_id": "x-1"}),
        (
            "task",
            draft("agent.message", {"content": "c"}, merge=Merge.TEXT),
            {"type": "stream_chunk", "content": "c", "task_id": "x-1"},
        ),
        ("task", draft("task.completed", {"result": "r"}), {"type": "stream_end", "content": "r", "task_id": "x-1"}),
        (
            "task",
            draft("task.failed", {"error": "no"}),
            {"type": "error", "error": "Query failed: no", "task_id": "x-1"},
        ),
        ("task", draft("task.cancelled", {}), {"type": "cancelled", "task_id": "x-1"}),
        (
            "task",
            draft("plan.created", {"steps": [1 << 63]}),
            {"type": "event", "event_type": "plan.created", "data": {"steps": [1 << 63]}, "task_id": "x-1"},
        ),
        (
            "session",
            draft("output", {"exec_id": "t", "content": "c"}),
            {"type": "stream_chunk", "content": "c", "task_id": "t", "session_id": "x-1"},
        ),
        (
            "session",
            draft("message", {"role": "user", "content": "c", "task_id": "t"}),
            {"type": "message", "role": "user", "content": "c", "task_id": "t", "session_id": "x-1"},
        ),
        (
            "session",
            draft("done", {"exec_id": "t", "state": "completed"}),
            {"type": "stream_end", "task_id": "t", "session_id": "x-1"},
        ),
    ],
)
def test_what_a_watcher_is_sent(channel: str, emitted: Draft, said: dict[str, Any]) -> None:
    assert content(AgentEncoder().encode(event(channel, emitted))) == {**said, "position": "e:1"}


@given(
    st.sampled_from(["task", "session"]),
    st.sampled_from(["task.started", "agent.message", "task.failed", "output", "message", "done", "gap", "x"]),
    JSON,
)
def test_every_event_encodes_whatever_it_holds(channel: str, event_type: str, data: Any) -> None:
    try:
        body = orjson.dumps(data)
    except TypeError:
        return
    message = orjson.loads(event_message(event(channel, Draft(event_type, body, Merge.NEVER, "", 1_000))))
    assert message["timestamp"] == 1.0
    assert message["position"] == "e:1"


def answered(streaming: bool, *drafts: Draft) -> list[dict[str, Any]]:
    query = Query("q", streaming)
    answer = Answer(Request((("id", 1),), query), query, task_id="t", session_id="s", vendor="openai")
    log = Log(ChannelKey("task", "t"), Retention())
    frames = [answer.opening()]
    for each in drafts:
        assert not answer.ended
        frames += answer.frames(log.append(each))
    assert answer.ended
    found = [content(frame) for frame in frames]
    assert all((each.pop("id"), each.pop("task_id"), each.pop("session_id")) == (1, "t", "s") for each in found)
    return found


def piece(text: str) -> Draft:
    return draft("agent.message", {"content": text}, merge=Merge.TEXT)


def test_an_answer_as_a_whole() -> None:
    frames = answered(False, piece("half"), draft("task.completed", {"result": "all of it"}))
    assert frames == [
        {"type": "status", "status": "processing"},
        {"type": "agent_response", "content": "all of it", "vendor": "openai"},
    ]


@pytest.mark.parametrize(
    ("pieces", "result", "chunks"),
    [
        (["def ", "sort("], "def sort(", ["def ", "sort("]),
        (["def "], "def sort(", ["def ", "sort("]),
        ([], "said at once", ["said at once"]),
        (["said"], "another summary", ["said"]),
        ([], "", [""]),
    ],
)
def test_the_chunks_of_a_streamed_answer(pieces: list[str], result: str, chunks: list[str]) -> None:
    frames = answered(True, *map(piece, pieces), draft("task.completed", {"result": result}))
    assert [frame["type"] for frame in frames] == ["stream_start", *["stream_chunk"] * len(chunks), "stream_end"]
    assert [frame["content"] for frame in frames[1:-1]] == chunks


@pytest.mark.parametrize(("streaming", "prefix"), [(True, "Streaming failed: "), (False, "Query failed: ")])
def test_a_failed_answer(streaming: bool, prefix: str) -> None:
    frames = answered(streaming, draft("task.failed", {"error": "no model"}))
    assert frames[-1] == {"type": "error", "error": prefix + "no model"}
