"""What was exported from one engine and imported into another: every reader is answered as before."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from tests.e2e.clients import TERMINAL, Event, event_stream, gateway_socket, rest, stream_until
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process

SOON = "[store]\ncompact_seconds = 0.1\n"
ROOM = "/api/v1/pipelines/support/ws"


def move(source: EngineProcess, name: str, folder: Path) -> None:
    """With the real commands, from a running engine to where none has ever run."""
    told = source.run("export", name, "--output", str(folder / "moved.jsonl"))
    assert told.stderr == ""
    source.run("import", str(folder / "moved.jsonl"), cwd=folder)


def answers(engine: EngineProcess, task: str) -> dict[str, Any]:
    """What the engine tells of the task over REST, WebSocket and SSE, but for the epoch's name and gaps' times."""
    path = f"/api/v1/channels/task/{task}"
    with rest(engine.url) as client, gateway_socket(engine.socket_url) as socket:
        told: dict[str, Any] = {
            "task": client.get(f"/api/v1/tasks/{task}").raise_for_status().json(),
            "snapshot": client.get(f"{path}/snapshot").raise_for_status().json(),
            "history": client.get(f"{path}/history", params={"since": "0", "limit": 1000}).raise_for_status().json(),
            "websocket": socket.request("subscribe", {"channel": "task", "topics": [task], "snapshot": True})[
                "payload"
            ],
            "websocket snapshot": socket.event(),
        }
        socket.request("unsubscribe", {"channel": "task", "topics": [task]})
        socket.subscribe("task", task, since={task: "0"})
        told["websocket replay"] = socket.events_until()
        with event_stream(client, "task", task, "0") as events:
            told["stream replay"] = stream_until(events)
        with client.sse(f"{path}/events", params={"snapshot": "1"}) as source:
            blocks = iter(source)
            assert next(blocks).event == "subscribed"
            told["stream snapshot"] = json.loads(next(blocks).data)
    for event in (*told["websocket replay"], *told["stream replay"]):
        if event["event_type"] == "gap":
            event.pop("timestamp")
    epoch: str = told["snapshot"]["epoch"]
    named: dict[str, Any] = json.loads(json.dumps(told).replace(epoch, "epoch"))
    return named


def wait_compacted(client: httpx2.Client, task: str) -> list[Event]:
    """The events that are left, once the others are gone."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with event_stream(client, "task", task, "0") as source:
            events = stream_until(source)
        if any(event["event_type"] == "gap" and event["data"]["reason"] == "compacted" for event in events):
            return events
    raise AssertionError(f"{task} was not compacted")


def test_a_compacted_task_answers_as_before(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with engine_process(tmp_path / "here", SOON) as engine:
        with rest(engine.url) as client:
            asked = client.post("/api/v1/tasks", json={"agent": "offline", "prompt": "what is 6*7?"})
            task: str = asked.raise_for_status().json()["id"]
            with event_stream(client, "task", task, "0") as source:
                text = "".join(e["data"]["content"] for e in stream_until(source) if e["event_type"] == "agent.message")
            left = wait_compacted(client, task)
            assert not any(event["event_type"] == "agent.message" for event in left)
            assert left[-1]["event_type"] in TERMINAL
        before = answers(engine, task)
        move(engine, task, tmp_path / "there")
    assert "".join(before["snapshot"]["data"]["messages"].values()) == text
    with engine_process(tmp_path / "there") as engine:
        after = answers(engine, task)
    for how, told in before.items():
        assert after[how] == told, how


def test_a_room_moves_with_its_files_and_read_markers(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with engine_process(tmp_path / "here") as engine:
        with rest(engine.url) as client, room(engine) as here:
            brought = client.post(f"{ROOM}/uploads", params={"name": "a.bin"}, content=bytes(range(256))).json()["data"]
            say(here, [{"type": "Plain", "text": "what is 6*7?"}, {"type": "File", "url": brought["url"]}])
            here.send(json.dumps({"type": "read", "message_id": 1}))
            until(here, "read")
            history = client.get(f"{ROOM}/messages/person").raise_for_status().json()["data"]
        with room(engine) as here:
            session: str = until(here, "connected")[-1]["session_id"]
        move(engine, session, tmp_path / "there")
    with engine_process(tmp_path / "there") as engine, rest(engine.url) as client, room(engine) as there:
        assert until(there, "connected")[-1]["session_id"] == session
        assert client.get(f"{ROOM}/messages/person").raise_for_status().json()["data"] == history
        assert client.get(brought["url"]).raise_for_status().content == bytes(range(256))
        assert say(there, [{"type": "Plain", "text": "what is 7*7?"}]) == len(history["messages"]) + 2


def room(engine: EngineProcess) -> ClientConnection:
    url = engine.url.replace("http", "ws", 1) + f"{ROOM}/connect?session_type=person"
    return connect(url, proxy=None, close_timeout=PATIENCE)


def until(connection: ClientConnection, kind: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["type"] != kind:
        messages.append(json.loads(connection.recv(PATIENCE)))
    return messages


def say(connection: ClientConnection, chain: list[dict[str, str]]) -> int:
    """Returns the number of the answer, once it is whole."""
    connection.send(json.dumps({"type": "message", "message": chain}))
    while not (answer := until(connection, "response")[-1])["data"]["is_final"]:
        pass
    number: int = answer["data"]["id"]
    return number
