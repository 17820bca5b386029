"""A task followed over WebSocket and SSE in turn: positions are the same on both, and nothing is lost or doubled."""

from __future__ import annotations

from itertools import islice

from tests.e2e.clients import (
    assert_gapless,
    event_stream,
    gateway_socket,
    position,
    rest,
    stream_until,
    unmerged,
)
from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess


def test_a_task_is_followed_over_websocket_then_sse_then_websocket(engine: EngineProcess, token: Token) -> None:
    alice = token("alice")
    with gateway_socket(engine.socket_url, alice) as watcher, rest(engine.url, alice) as client:
        task = watcher.create("burst", "400")
        watcher.subscribe("task", task["task_id"], since={task["task_id"]: task["position"]})
        with gateway_socket(engine.socket_url, alice) as socket:
            socket.subscribe("task", task["task_id"], since={task["task_id"]: task["position"]})
            seen = [socket.event() for _ in range(40)]
        with event_stream(client, "task", task["task_id"], position(seen[-1])) as events:
            seen += islice(events, 40)
        with gateway_socket(engine.socket_url, alice) as socket:
            reply = socket.subscribe("task", task["task_id"], since={task["task_id"]: position(seen[-1])})
            assert reply["recovered"]
            seen += [socket.event() for _ in range(40)]
        assert client.get(f"/api/v1/tasks/{task['task_id']}").json()["state"] == "running"
        with event_stream(client, "task", task["task_id"], position(seen[-1])) as events:
            seen += stream_until(events)
        whole = watcher.events_until()
    assert_gapless(seen)
    assert unmerged(seen) == unmerged(whole)
    text = "".join(event["data"]["content"] for event in seen if event["event_type"] == "agent.message")
    assert text == "".join(f"{number} " for number in range(1, 401))
    assert seen[-1]["data"]["result"] == "400 pieces"
