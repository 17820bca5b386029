"""What each dialect sends, beside the example of it that the dialect's document gives: every member is there, with the
same value. The clocks of the two are different."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

import pytest

from actors.admission import Admission
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, draft
from actors.log import Log
from actors.principal import Principal
from actors.resumption import Resumption
from actors.retention import Retention
from actors.subscription import Encoder
from tests.support.steps import task_events
from tests.transport.read_frame import read_frame
from transport.dialects import agent_replies, gateway_replies, pipeline_replies, steps_events, wallet, wallet_frames
from transport.dialects.agent import Query, Request
from transport.dialects.agent_answer import Answer
from transport.dialects.gateway_events import GatewayPayload
from transport.dialects.pipeline_projection import RoomOptions, RoomProjection
from transport.dialects.steps import Echo
from transport.dialects.steps_projection import StepsProjection

FEED = ChannelKey("feed", "f", "alice")
SESSION = ChannelKey("session", "s1", "alice")
AT = 1_738_065_600_000
"""2025-01-28T12:00:00Z."""


def admission() -> Admission:
    return Admission(FEED, "e1", Resumption(7, None), (), named=True, live=True)


def encoded(encoder: Encoder, drafts: Iterable[Draft], key: ChannelKey = FEED) -> list[dict[str, Any]]:
    """As a client reads them."""
    log = Log(key, Retention(), epoch="e1")
    return [read_frame(encoder.encode(log.append(each))) for each in drafts]


def assert_holds(frame: Any, example: Any) -> None:
    """That everything in the example is in the frame."""
    if isinstance(example, dict):
        assert isinstance(frame, dict)
        for name, value in example.items():
            assert name in frame
            assert_holds(frame[name], value)
    else:
        assert frame == example


def test_the_gateways() -> None:
    authenticated = gateway_replies.auth_result(None, Principal("user-123"), "device-1")
    payload = {"success": True, "user_id": "user-123", "device_id": "device-1"}
    assert_holds(read_frame(authenticated), {"type": "auth.result", "payload": payload})
    assert_holds(read_frame(gateway_replies.pong(None)), {"type": "pong"})

    data: Json = {"content": "Hello! I can help you with that."}
    encoder = gateway_replies.WebSocketEncoder(GatewayPayload())
    (told,) = encoded(encoder, [draft("agent.message", data)], ChannelKey("task", "task-123", "user-123"))
    event = {"channel": "task", "topic": "task-123", "event_type": "agent.message", "data": data}
    assert_holds(told, {"type": "event", "payload": event})


def answered(query: Query, pieces: list[str]) -> list[dict[str, Any]]:
    answer = Answer(Request((), query), query, task_id="t", session_id="s", vendor="openai")
    log = Log(ChannelKey("task", "t", "alice"), Retention())
    told = [draft("agent.message", {"content": piece}) for piece in pieces]
    events = [log.append(each) for each in (*told, draft("task.completed", {"result": "".join(pieces)}))]
    frames = [answer.opening(), *chain.from_iterable(map(answer.frames, events))]
    return [read_frame(frame) for frame in frames]


def test_the_agents() -> None:
    for frame, example in (
        (agent_replies.connected("uuid-xxx"), {"type": "connected", "message": "Connected to Agent WebSocket"}),
        (agent_replies.frame((), "pong"), {"type": "pong"}),
        (agent_replies.error((), "Query is required"), {"type": "error", "error": "Query is required"}),
        (agent_replies.cancelled((), []), {"type": "cancelled"}),
    ):
        assert_holds(read_frame(frame), example)
        assert isinstance(read_frame(frame)["timestamp"], float)

    status, response = answered(Query("你好", streaming=False), ["你好！我是一个智能助手..."])
    assert_holds(status, {"type": "status", "status": "processing"})
    assert_holds(response, {"type": "agent_response", "content": "你好！我是一个智能助手...", "vendor": "openai"})
    start, chunk, end = answered(Query("你好", streaming=True), ["def quick_sort("])
    assert_holds(start, {"type": "stream_start"})
    assert_holds(chunk, {"type": "stream_chunk", "content": "def quick_sort("})
    assert_holds(end, {"type": "stream_end"})


def test_the_steps() -> None:
    greeting = read_frame(steps_events.connected("client-1", admission()).frame)
    assert_holds(greeting, {"type": "connected", "data": {"clientId": "client-1"}})
    assert isinstance(greeting["timestamp"], int)
    refusal = steps_events.error_message(Echo(), CallboardError(ErrorCode.BUSY, "..."))
    assert_holds(read_frame(refusal.frame), {"type": "error", "data": {"message": "..."}})

    projection = StepsProjection(0.0)
    plan: Json = {"goal": "g", "steps": [{"id": "s1", "name": "分析", "type": "tool"}]}
    events = task_events(
        ("task.started", {}, 1000),
        ("plan.created", plan, 1010),
        ("step.started", {"step_id": "s1", "name": "分析"}, 1020),
        ("step.progress", {"step_id": "s1", "progress": 0.5, "message": "..."}, 1030),
        ("step.completed", {"step_id": "s1", "name": "分析", "success": True, "output": 7}, 1040),
        ("task.completed", {"result": "...", "data": None, "duration_ms": 40}, 1050),
    )
    drafts = [each for event in events for each in projection.project(event, 0.0)]
    told = {frame["type"]: frame for frame in reversed(encoded(steps_events.FrameEncoder(), drafts))}
    for kind, data in {
        "status": {"state": "planning"},
        "plan:created": {"plan": {"goal": "g"}},
        "step:start": {"stepId": "s1", "stepName": "分析"},
        "step:progress": {"stepId": "s1", "progress": 50, "message": "..."},
        "step:complete": {"stepId": "s1", "result": {"status": "success", "output": 7}},
        "task:complete": {"success": True, "output": "..."},
    }.items():
        assert_holds(told[kind], {"type": kind, "data": data})


def test_the_pipelines() -> None:
    greeting = pipeline_replies.connected("550e8400", "your-pipeline-uuid", "person", "s1", admission(), ("alice",), {})
    example = {"connection_id": "550e8400", "pipeline_uuid": "your-pipeline-uuid", "session_type": "person"}
    assert_holds(read_frame(greeting), {"type": "connected", **example})
    assert_holds(read_frame(pipeline_replies.pong({})), {"type": "pong"})
    error = pipeline_replies.error_frame({}, CallboardError(ErrorCode.INVALID_PAYLOAD, "错误描述"))
    assert_holds(read_frame(error), {"type": "error", "message": "错误描述"})

    room, log = RoomProjection("person", "alice", RoomOptions()), Log(SESSION, Retention(), epoch="e1")
    happened = [
        draft("broadcast", {"message": "这是一条广播消息"}, timestamp=AT),
        draft("chat.message", {"exec_id": "t", "content": "?", "user_id": "bob", "connection_id": "c"}, timestamp=AT),
        draft("output", {"exec_id": "t", "content": "这是机器人的回复"}, timestamp=AT),
    ]
    drafts = [each for one in happened for each in room.project(log.append(one), 0.0)]
    broadcast, asked, response = encoded(pipeline_replies.PipelineFrames(), [*drafts, *room.flush(1.0)])
    time = "2025-01-28T12:00:00.000Z"
    assert_holds(broadcast, {"type": "broadcast", "message": "这是一条广播消息", "timestamp": time})
    assert_holds(asked, {"type": "user_message", "session_type": "person", "data": {"id": 1, "role": "user"}})
    data = {
        "id": 2,
        "role": "assistant",
        "content": "这是机器人的回复",
        "message_chain": [{"type": "Plain", "text": "这是机器人的回复"}],
        "timestamp": time,
        "is_final": False,
        "connection_id": "c",
    }
    assert_holds(response, {"type": "response", "data": data})


@pytest.mark.parametrize("timestamp", ['"<same_timestamp_from_ping>"', "1730000000.10"])
def test_the_wallets(timestamp: str) -> None:
    greeting = {"type": "connection_established", "message": "WebSocket连接已成功建立", "wallet_address": "W"}
    assert_holds(read_frame(wallet_frames.established("W")), greeting)
    pong = wallet_frames.pong(wallet.decode(f'{{"type": "ping", "timestamp": {timestamp}}}'))
    assert pong.endswith(b'"timestamp":' + timestamp.encode() + b"}")
    assert_holds(read_frame(pong), {"type": "pong"})
