"""What the clients of each dialect are told who come back to an engine whose database is an older copy: that something
may be missing. None of them goes on as if nothing were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

import httpx2
import pytest

from tests.e2e.clients import event_stream, gateway_socket, position, rest, stream_until
from tests.e2e.engine_process import EngineProcess, engine_process
from tests.e2e.test_kept_dialects import answers, ask, numbered, say, socket, told, until
from tests.support.wallets import Wallet

ROOM = "/api/v1/pipelines/support/ws/connect?session_type=person"
LOBBY = {"type": "room_join", "room": "lobby"}


class Client(Protocol):
    """One that comes, sees something happen and leaves, more than once."""

    def see(self, engine: EngineProcess) -> None: ...

    def come_back(self, engine: EngineProcess) -> None:
        """Asserts that it is told of a gap, and of nothing that it could take for what it has missed before that."""
        ...


class OnGateway:
    """Follows a conversation over both transports."""

    def __init__(self, client: httpx2.Client) -> None:
        self._session: str = client.post("/api/v1/sessions", json={"title": "t"}).raise_for_status().json()["id"]
        self._seen = ""

    def see(self, engine: EngineProcess) -> None:
        with rest(engine.url) as client, event_stream(client, "session", self._session) as events:
            ask(client, self._session, "1")
            self._seen = position(stream_until(events, "done")[-1])

    def come_back(self, engine: EngineProcess) -> None:
        with gateway_socket(engine.socket_url) as client:
            assert client.subscribe("session", self._session, since={self._session: self._seen})["recovered"] is False
            first = client.event()
        with rest(engine.url) as again, event_stream(again, "session", self._session, self._seen) as events:
            for gap in (first, next(events)):
                assert (gap["event_type"], gap["data"]["reason"]) == ("gap", "epoch")


class OnAgentDialect:
    """Is in a room."""

    _seen = ""

    def see(self, engine: EngineProcess) -> None:
        with socket(engine, "/ws/agent") as room:
            room.send(json.dumps(LOBBY))
            until(room, "room_joined")
            room.send(json.dumps({"type": "room_message", "room": "lobby", "content": "hello"}))
            self._seen = until(room, "room_message")[-1]["position"]

    def come_back(self, engine: EngineProcess) -> None:
        with socket(engine, "/ws/agent") as room:
            room.send(json.dumps({**LOBBY, "since": self._seen}))
            assert until(room, "room_joined")[-1]["recovered"] is False
            gap = told(room)
            assert (gap["type"], gap["reason"]) == ("gap", "epoch")


class OnSteps:
    _seen = ""

    def see(self, engine: EngineProcess) -> None:
        with socket(engine, "/ws") as steps:
            steps.send(json.dumps({"type": "task:submit", "data": {"task": "1"}}))
            self._seen = numbered(until(steps, "task:complete"))[-1]

    def come_back(self, engine: EngineProcess) -> None:
        with socket(engine, f"/ws?lastEventId={self._seen}") as steps:
            assert told(steps)["data"]["recovered"] is False
            assert until(steps, "gap")[-1]["data"]["reason"] == "epoch"
        with rest(engine.url) as client, client.sse("/sse", headers={"Last-Event-ID": self._seen}) as source:
            greeting = next(iter(source))
            assert json.loads(greeting.data)["data"]["recovered"] is False


class InPipeline:
    _seen = ""

    def see(self, engine: EngineProcess) -> None:
        with socket(engine, ROOM) as room:
            say(room, "1")
            room.send(json.dumps({"type": "message", "message": [{"type": "Plain", "text": "2"}]}))
            self._seen = until(room, "user_message")[-1]["position"]

    def come_back(self, engine: EngineProcess) -> None:
        with socket(engine, f"{ROOM}&since={self._seen}") as room:
            assert until(room, "connected")[-1]["recovered"] is False
            assert until(room, "gap")[-1]["reason"] == "epoch"


class OnWallet:
    """Its place is the engine's to know."""

    def __init__(self, client: httpx2.Client) -> None:
        self._headers = Wallet(21).headers()
        opened = client.post("/api/conversations", json={"title": "t"}, headers=self._headers).raise_for_status()
        self._path = f"/api/conversations/{opened.json()['id']}/messages"

    def see(self, engine: EngineProcess) -> None:
        with rest(engine.url) as client, socket(engine, "/api/ws", self._headers) as heard:
            content = [{"type": "text", "text": "1"}]
            client.post(self._path, json={"content": content}, headers=self._headers).raise_for_status()
            answers(heard, 1)

    def come_back(self, engine: EngineProcess) -> None:
        with socket(engine, "/api/ws", self._headers) as heard:
            greeting, lost = until(heard, "error")
            assert greeting["type"] == "connection_established"
            assert "load the state over HTTP" in lost["message"]


def put_back(folder: Path, copy: Path) -> None:
    for part in ("", "-wal", "-shm", "-mark"):
        (folder / f"callboard.db{part}").unlink(missing_ok=True)
    copy.rename(folder / "callboard.db")


@pytest.mark.parametrize("lost", [True, False])
def test_who_comes_back_is_told_of_a_gap(tmp_path: Path, lost: bool) -> None:
    """Also where all that it has seen is there: nobody knows what it was told of besides."""
    with engine_process(tmp_path) as engine:
        with rest(engine.url) as client:
            clients: list[Client] = [OnGateway(client), OnAgentDialect(), OnSteps(), InPipeline(), OnWallet(client)]
        for one in clients:
            one.see(engine)
        engine.run("backup", "copy.db")
        for one in clients if lost else ():
            one.see(engine)
        engine.kill()
    put_back(tmp_path, tmp_path / "copy.db")
    with engine_process(tmp_path) as engine:
        for one in clients:
            one.come_back(engine)
        engine.kill()
