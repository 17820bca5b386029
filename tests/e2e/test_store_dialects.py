"""A store that fails, as clients of other dialects than REST see it, and as all do while very much waits for it."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.e2e.clients import assert_gapless, gateway_socket, rest
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process
from tests.e2e.store_fault import AT_ONCE, OPEN, Board, assert_refused
from tests.support.pipeline import PIPELINE

FEW_WAIT = OPEN + "[store]\nwaiting = 4\n" + f'[pipelines.help]\nuuid = "{PIPELINE}"\nagent = "offline"\n'
FAILURE = "the store fails: nothing is taken that must be kept"


class Disk:
    """Takes nothing of what the engine writes while it is `broken`."""

    def __init__(self, engine: EngineProcess) -> None:
        self._process = engine.process.pid
        self._limits = resource.prlimit(self._process, resource.RLIMIT_FSIZE)

    def break_(self) -> None:
        resource.prlimit(self._process, resource.RLIMIT_FSIZE, (0, self._limits[1]))

    def mend(self) -> None:
        resource.prlimit(self._process, resource.RLIMIT_FSIZE, self._limits)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with engine_process(tmp_path, FEW_WAIT) as running:
        yield running
        running.kill()


def test_each_dialect_says_it_in_its_own_words(engine: EngineProcess) -> None:
    disk = Disk(engine)
    pipeline = f"/api/v1/pipelines/{PIPELINE}/ws/connect?session_type=person"
    with _socket(engine, "/ws/agent") as agent, _socket(engine, pipeline) as room:
        assert _receive(agent)["type"] == "connected"
        assert _receive(room)["type"] == "connected"
        _send(agent, type="room_join", room="lobby")
        assert [_receive(agent)["type"] for _ in range(2)] == ["room_joined", "room_member_joined"]
        disk.break_()
        _send(agent, type="room_message", room="lobby", content="lost", request_id="1")
        refused = _receive(agent)
        assert (refused["type"], refused["request_id"]) == ("error", "1")
        assert "disk I/O error" in refused["error"]
        _send(room, type="message", message=[{"type": "Plain", "text": "lost"}])
        refused = _receive(room)
        assert (refused["type"], refused["code"]) == ("error", "UNAVAILABLE")
        assert refused["retry_after_ms"] > 0
        _send(agent, type="ping")
        assert _receive(agent)["type"] == "pong"
        disk.mend()
        engine.wait_log("the store works again")
        _send(agent, type="room_message", room="lobby", content="kept")
        told = [_receive(agent) for _ in range(2)]
        assert [one["content"] for one in told if one["type"] == "room_message"] == ["kept"]


def test_nobody_waits_behind_a_queue_that_is_full(engine: EngineProcess) -> None:
    disk = Disk(engine)
    with rest(engine.url) as client, gateway_socket(engine.socket_url) as socket:
        board = Board(client)
        task = socket.create("flood", "100")
        socket.subscribe("task", task["task_id"], since={task["task_id"]: task["position"]})
        disk.break_()
        engine_fails = board.publish()
        assert_refused(engine_fails, "disk I/O error")
        assert engine.wait_log(FAILURE)
        began = time.monotonic()
        assert_refused(board.publish(), "disk I/O error")
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
