"""A store that fails, as clients of other dialects than REST see it, and as all do while very much waits for it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.e2e.broken_disk import BrokenDisk
from tests.e2e.clients import assert_gapless, gateway_socket, rest
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process
from tests.e2e.store_fault import AT_ONCE, OPEN, Board, assert_refused
from tests.support.pipeline import PIPELINE
from tests.support.wallets import Wallet

FEW_WAIT = OPEN + "[store]\nwaiting = 4\n" + f'[pipelines.help]\nuuid = "{PIPELINE}"\nagent = "offline"\n'
FAILURE = "the store fails: nothing is taken that must be kept"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with engine_process(tmp_path, FEW_WAIT) as running:
        yield running
        running.kill()


def test_each_dialect_says_it_in_its_own_words(engine: EngineProcess) -> None:
    disk = BrokenDisk(engine)
    pipeline = f"/api/v1/pipelines/{PIPELINE}/ws/connect?session_type=person"
    with _socket(engine, "/ws/agent") as agent, _socket(engine, pipeline) as room:
        assert _receive(agent)["type"] == "connected"
        assert _receive(room)["type"] == "connected"
        _send(agent, type="room_join", room="lobby")
        assert [_receive(agent)["type"] for _ in range(2)] == ["room_joined", "room_member_joined"]
        disk.fail()
        _send(agent, type="room_message", room="lobby", content="lost", request_id="1")
        refused = _receive(agent)
        assert (refused["type"], refused["request_id"]) == ("error", "1")
        assert re.search(disk.REASON, refused["error"])
        _send(room, type="message", message=[{"type": "Plain", "text": "lost"}])
        refused = _receive(room)
        assert (refused["type"], refused["code"]) == ("error", "UNAVAILABLE")
        assert refused["retry_after_ms"] > 0
        _send(agent, type="ping")
        assert _receive(agent)["type"] == "pong"
        _check_gateway(engine, disk)
        _check_steps(engine, disk)
        _check_requests(engine, disk)
        disk.mend()
        engine.wait_log("the store works again")
        _send(agent, type="room_message", room="lobby", content="kept")
        told = [_receive(agent) for _ in range(2)]
        assert [one["content"] for one in told if one["type"] == "room_message"] == ["kept"]


def _check_gateway(engine: EngineProcess, disk: BrokenDisk) -> None:
    with gateway_socket(engine.socket_url) as socket:
        created = socket.request("task.action", {"action": "create", "data": {"agent": "burst", "prompt": "1"}})
    refused = created["payload"]
    assert (created["type"], refused["success"], refused["code"]) == ("task.result", False, "RATE_LIMITED")
    assert re.search(disk.REASON, refused["message"])
    assert refused["retry_after_ms"] > 0


def _check_steps(engine: EngineProcess, disk: BrokenDisk) -> None:
    with _socket(engine, "/ws") as steps:
        assert _receive(steps)["type"] == "connected"
        _send(steps, type="task:submit", data={"task": "lost"}, id="1")
        while (refused := _receive(steps))["type"] != "error":
            pass
    assert refused["id"] == "1"
    assert re.search(disk.REASON, refused["data"]["message"])
    assert refused["data"]["retryAfter"] > 0


def _check_requests(engine: EngineProcess, disk: BrokenDisk) -> None:
    wallet = Wallet(5)
    uploads = f"/api/v1/pipelines/{PIPELINE}/ws/uploads"
    with rest(engine.url) as client:
        file = client.post(uploads, params={"name": "a.txt"}, content=b"lost")
        assert (file.status_code, file.json()["code"]) == (503, -1)
        assert int(file.headers["Retry-After"]) >= 1
        assert re.search(disk.REASON, file.json()["msg"])
        for shown in (wallet.headers, wallet.proof):
            assert_refused(client.post("/api/conversations", json={"title": "lost"}, headers=shown()), disk.REASON)
        assert client.get("/api/tasks", headers=wallet.headers()).json()["tasks"] == []
        # It could be shown again to an engine that does not know that it was used.
        assert_refused(client.get("/api/tasks", headers=wallet.proof()), disk.REASON)
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        handshake = {**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **wallet.proof()}
        assert_refused(client.get("/api/ws", headers=handshake), disk.REASON)


def test_nobody_waits_behind_a_queue_that_is_full(engine: EngineProcess) -> None:
    disk = BrokenDisk(engine)
    with rest(engine.url) as client, gateway_socket(engine.socket_url) as socket:
        board = Board(client)
        task = socket.create("flood", "100")
        socket.subscribe("task", task["task_id"], since={task["task_id"]: task["position"]})
        disk.fail()
        engine_fails = board.publish()
        assert_refused(engine_fails, disk.REASON)
        assert engine.wait_log(FAILURE)
        began = time.monotonic()
        assert_refused(board.publish(), disk.REASON)
        assert time.monotonic() - began < AT_ONCE
        assert socket.request("ping")["type"] == "pong"
        assert board.read() == []
        disk.mend()
        events = socket.events_until()
        assert_gapless(events)
        assert events[-1]["event_type"] == "task.completed"
        assert board.publish().status_code == 200


def _socket(engine: EngineProcess, path: str) -> ClientConnection:
    return connect(engine.url.replace("http", "ws", 1) + path, proxy=None, close_timeout=PATIENCE)


def _send(socket: ClientConnection, **message: object) -> None:
    socket.send(json.dumps(message))


def _receive(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(PATIENCE))
    return message
