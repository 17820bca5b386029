"""Three devices of one user see the same, whatever their network does; two users never see each other."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed

from tests.e2e.clients import (
    Event,
    Socket,
    assert_gapless,
    event_stream,
    gateway_socket,
    position,
    rest,
    unmerged,
)
from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess

PIECES = 3_000
"""Of a KiB each: more than the sockets' buffers hold on both sides."""


def test_three_devices_one_lagging_one_gone_and_back(engine: EngineProcess, token: Token) -> None:
    key, url = token("carol"), engine.socket_url
    with (
        gateway_socket(url, key, "desk") as desk,
        gateway_socket(url, key, "phone", receive_buffer=4096) as phone,
    ):
        desk.subscribe("task")
        phone.subscribe("task")
        with gateway_socket(url, key, "tablet") as tablet:
            tablet.subscribe("task")
            task_id = desk.create("led", str(PIECES))["task_id"]
            desk_events = lead(desk, task_id, 1)
            tablet_events = [tablet.event() for _ in range(20)]
        # The phone reads nothing until the task is over for the desk, and the tablet is away until then.
        desk_events += lead(desk, task_id, PIECES // 20 - 1) + desk.events_until()
        with gateway_socket(url, key, "tablet") as tablet:
            tablet.subscribe("task", task_id, since={task_id: position(tablet_events[-1])})
            tablet_events += tablet.events_until()
        phone_events = phone.events_until()
    devices = (desk_events, phone_events, tablet_events)
    for events in devices:
        assert_gapless(events)
        assert discrete(events) == discrete(desk_events)
        assert text(events) == "".join(f"{number:<1024}" for number in range(1, PIECES + 1))
        assert unmerged(events) == unmerged(desk_events)
    assert sum(event["event_type"] == "agent.message" for event in desk_events) == PIECES
    assert len(phone_events) < len(desk_events)


def lead(socket: Socket, task_id: str, ticks: int) -> list[Event]:
    """What comes up to so many ticks, each answered with the turn that the task waits for."""
    events = []
    for _ in range(ticks):
        events += socket.events_until("burst.tick")
        socket.action("append_turn", task_id, "on")
    return events


def discrete(events: list[Event]) -> list[tuple[str, Any, int]]:
    """What is never merged, with its place."""
    return [(e["event_type"], e["data"], e["offset"]) for e in events if e["event_type"] != "agent.message"]


def text(events: list[Event]) -> str:
    return "".join(event["data"]["content"] for event in events if event["event_type"] == "agent.message")


def test_the_same_device_again_replaces_the_older_socket(engine: EngineProcess, token: Token) -> None:
    key = token("carol")
    with gateway_socket(engine.socket_url, key, "laptop") as older:
        with gateway_socket(engine.socket_url, key, "laptop"), pytest.raises(ConnectionClosed) as closed:
            older.event()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4409


def test_users_never_see_each_other(engine: EngineProcess, token: Token) -> None:
    alice, bob = token("alice"), token("bob")
    with (
        gateway_socket(engine.socket_url, alice) as her,
        gateway_socket(engine.socket_url, bob) as his,
        rest(engine.url, alice) as her_api,
        rest(engine.url, bob) as his_api,
    ):
        for socket in (her, his):
            socket.subscribe("task")
            socket.subscribe("session")
            socket.subscribe("system")
        session = her_api.post("/api/v1/sessions", json={"title": "hers"}).json()
        task = her.create("offline", "1+1", session_id=session["id"])["task_id"]
        batch = her_api.post("/api/v1/batches", json={"tasks": [{"agent": "burst", "prompt": "1"}]}).json()
        seen = her.events_until()
        while task not in {event["topic"] for event in seen if event["event_type"] == "task.completed"}:
            seen += her.events_until()
        assert {"system", "task", "session"} <= {event["channel"] for event in seen}
        _refused_over_websocket(his, task, session["id"])
        _refused_over_http(his_api, task, session["id"], batch["id"])
        # His own task is the first thing that he sees of any channel.
        mine = his.create("burst", "1")["task_id"]
        events = his.events_until()
        assert {event["topic"] for event in events if event["channel"] == "task"} == {mine}
        assert [event["data"]["task_id"] for event in events if event["channel"] == "system"] == [mine]
        assert not [event for event in events if event["channel"] == "session"]


def _refused_over_websocket(socket: Socket, task: str, session: str) -> None:
    for channel, topic in (("task", task), ("session", session)):
        reply = socket.request("subscribe", {"channel": channel, "topics": [topic]})
        assert (reply["type"], reply["payload"]["code"]) == ("error", "NOT_FOUND")
    for action, data in (("cancel", None), ("append_turn", "x"), ("confirm", {"step_id": "s", "approved": True})):
        reply = socket.request("task.action", {"task_id": task, "action": action, "data": data})
        assert not reply["payload"]["success"]
        assert reply["payload"]["code"] == "NOT_FOUND"
    reply = socket.request("session.exec", {"session_id": session, "command": "hello"})
    assert (reply["type"], reply["payload"]["code"]) == ("error", "NOT_FOUND")
    reply = socket.request("subscribe", {"channel": "system", "topics": ["stats"]})
    assert (reply["type"], reply["payload"]["code"]) == ("error", "FORBIDDEN")


def _refused_over_http(api: httpx2.Client, task: str, session: str, batch: str) -> None:
    reads = (
        f"tasks/{task}",
        f"batches/{batch}",
        f"sessions/{session}",
        f"sessions/{session}/messages",
        f"channels/task/{task}/events",
        f"channels/task/{task}/history",
        f"channels/session/{session}/events",
    )
    assert {path: api.get(f"/api/v1/{path}").status_code for path in reads} == dict.fromkeys(reads, 404)
    posts: dict[str, Any] = {
        f"tasks/{task}/cancel": {},
        f"tasks/{task}/turns": {"prompt": "x"},
        f"tasks/{task}/confirm": {"step_id": "s", "approved": True},
        f"tasks/{task}/claim": {},
        f"tasks/{task}/events": {"events": []},
        "tasks": {"agent": "offline", "prompt": "x", "session_id": session},
    }
    statuses = {path: api.post(f"/api/v1/{path}", json=body).status_code for path, body in posts.items()}
    assert statuses == dict.fromkeys(posts, 404)
    assert task not in api.get("/api/v1/tasks").text
    assert session not in api.get("/api/v1/sessions").text


def test_an_admin_sees_all(engine: EngineProcess, token: Token) -> None:
    with (
        gateway_socket(engine.socket_url, token("root", "admin")) as root,
        gateway_socket(engine.socket_url, token("alice")) as her,
        rest(engine.url, token("root", "admin")) as api,
    ):
        root.subscribe("task")
        task = her.create("burst", "3")
        while (event := root.event())["topic"] != task["task_id"] or event["event_type"] != "task.completed":
            pass
        assert api.get(f"/api/v1/tasks/{task['task_id']}").json()["user_id"] == "alice"
        with event_stream(api, "task", task["task_id"], "0") as events:
            assert next(events)["event_type"] == "task.started"
