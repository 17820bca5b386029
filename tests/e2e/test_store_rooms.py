"""What somebody asks of a room while its store fails is refused before anything of it is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.e2e.broken_disk import BrokenDisk
from tests.e2e.clients import rest
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process
from tests.e2e.store_fault import OPEN
from tests.support.pipeline import PIPELINE

ROOM = f"/api/v1/pipelines/{PIPELINE}/ws"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    with engine_process(tmp_path, OPEN) as running:
        yield running
        running.kill()


def test_what_cannot_be_taken_back_at_the_moment_stays_as_it_was(engine: EngineProcess) -> None:
    disk = BrokenDisk(engine)
    url = engine.url.replace("http", "ws", 1) + ROOM + "/connect?session_type=person"
    with rest(engine.url) as client, connect(url, proxy=None, close_timeout=PATIENCE) as room:
        picture = client.post(f"{ROOM}/uploads", content=PNG).raise_for_status().json()["data"]["url"]
        said = [{"type": "Plain", "text": "6*7"}, {"type": "Image", "url": picture}]
        _send(room, type="message", message=said)
        _until(room, "response")
        before, kept = _history(client), _conversation(client)
        assert len(kept) == 2
        disk.fail()
        assert _send_refused(room, type="recall", message_id=1)["code"] == "UNAVAILABLE"
        reset = client.post(f"{ROOM}/reset/person")
        assert (reset.status_code, reset.json()["code"]) == (503, -1)
        assert int(reset.headers["Retry-After"]) >= 1
        assert (_history(client), _conversation(client)) == (before, kept)
        assert client.get(picture).content == PNG
        disk.mend()
        engine.wait_log("the store works again")
        assert (_history(client), _conversation(client)) == (before, kept)
        _send(room, type="recall", message_id=1)
        _until(room, "recalled")
        assert client.get(picture).status_code == 404
        assert [message["recalled"] for message in _history(client)] == [True, True]
        client.post(f"{ROOM}/reset/person").raise_for_status()
        assert _history(client) == []
        assert _conversation(client) == []


def _history(client: httpx2.Client) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = client.get(f"{ROOM}/messages/person").raise_for_status().json()["data"]["messages"]
    return messages


def _conversation(client: httpx2.Client) -> list[dict[str, Any]]:
    """What the agents read of it."""
    (session,) = client.get("/api/v1/sessions").raise_for_status().json()["sessions"]
    answer = client.get(f"/api/v1/sessions/{session['id']}/messages").raise_for_status()
    messages: list[dict[str, Any]] = answer.json()["messages"]
    return messages


def _send(room: ClientConnection, **message: object) -> None:
    room.send(json.dumps(message))


def _send_refused(room: ClientConnection, **message: object) -> dict[str, Any]:
    _send(room, **message)
    return _until(room, "error")


def _until(room: ClientConnection, kind: str) -> dict[str, Any]:
    """Of responses only a final one counts."""
    while True:
        message: dict[str, Any] = json.loads(room.recv(PATIENCE))
        if message["type"] == kind and (kind != "response" or message["data"]["is_final"]):
            return message
