"""What the agent dialect sends: its document's replies, events for those who watch, the answer to a query."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Draft, Event, Merge, draft
from actors.log import Log
from actors.retention import Retention
from tests.transport.dialects.agent_frames import JSON, content
from transport.dialects import agent_replies
from transport.dialects.agent import Query, Request
from transport.dialects.agent_answer import Answer
from transport.dialects.agent_events import AgentEncoder, event_message


def event(channel: str, draft: Draft) -> Event:
    return Log(ChannelKey(channel, "x-1", "alice"), Retention(), epoch="e").append(draft)


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
        (
            "room",
            draft("room.message", {"user_id": "u", "content": "c"}),
            {"type": "room_message", "user_id": "u", "content": "c", "room": "x-1"},
        ),
        (
            "room",
            draft("member.joined", {"user_id": "u"}),
            {"type": "room_member_joined", "user_id": "u", "room": "x-1"},
        ),
        ("room", draft("member.left", {"user_id": "u"}), {"type": "room_member_left", "user_id": "u", "room": "x-1"}),
    ],
)
def test_what_a_watcher_is_sent(channel: str, emitted: Draft, said: dict[str, Any]) -> None:
    assert content(AgentEncoder().encode(event(channel, emitted))) == {**said, "position": "e:1"}


@given(
    st.sampled_from(["task", "session", "room"]),
    st.sampled_from(
        [
            "task.started",
            "agent.message",
            "task.failed",
            "output",
            "message",
            "done",
            "room.message",
            "member.left",
            "gap",
        ]
    ),
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


def test_an_agents_own_event_named_gap_ends_no_answer() -> None:
    own = draft("gap", {"mind": "it"})
    frames = answered(True, piece("a"), own, piece("b"), draft("task.completed", {"result": "ab"}))
    assert [frame["type"] for frame in frames] == ["stream_start", "stream_chunk", "stream_chunk", "stream_end"]


@pytest.mark.parametrize(("streaming", "prefix"), [(True, "Streaming failed: "), (False, "Query failed: ")])
def test_a_failed_answer(streaming: bool, prefix: str) -> None:
    frames = answered(streaming, draft("task.failed", {"error": "no model"}))
    assert frames[-1] == {"type": "error", "error": prefix + "no model"}
