"""What the clients of the dialects find after the engine was killed, and started again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from tests.e2e.clients import event_stream, rest, stream_until
from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process
from tests.support.wallets import Wallet

STRICT = "[auth]\nrequired = true\n"
UPLOADS = "/api/v1/pipelines/support/ws/uploads"


@contextmanager
def socket(engine: EngineProcess, path: str, headers: dict[str, str] | None = None) -> Iterator[ClientConnection]:
    url = engine.url.replace("http", "ws", 1) + path
    with connect(url, additional_headers=headers, proxy=None, close_timeout=PATIENCE) as connection:
        yield connection


def told(connection: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(connection.recv(PATIENCE))
    return message


def until(connection: ClientConnection, *kinds: str) -> list[dict[str, Any]]:
    """All messages up to the first of one of these types."""
    messages = [told(connection)]
    while messages[-1]["type"] not in kinds:
        messages.append(told(connection))
    return messages


def numbered(messages: list[dict[str, Any]]) -> list[str]:
    return [message["eventId"] for message in messages if "eventId" in message and message["type"] != "connected"]


def test_the_steps_go_on_behind_the_last_event_that_a_client_has_seen(tmp_path: Path) -> None:
    with engine_process(tmp_path) as engine:
        with socket(engine, "/ws") as steps:
            steps.send(json.dumps({"type": "task:submit", "data": {"task": "what is 6*7?"}}))
            messages = until(steps, "task:complete")
            seen = numbered(messages)
        engine.kill()
    with engine_process(tmp_path) as engine, socket(engine, f"/ws?lastEventId={seen[1]}") as steps:
        assert told(steps)["data"]["recovered"] is True
        again = until(steps, "task:complete")
        # Of progress that waits only the last is told.
        passed = {message["eventId"] for message in messages if message["type"] == "step:progress"}
        assert [one for one in numbered(again) if one not in passed] == [one for one in seen[2:] if one not in passed]
        # A new task of the same user follows the old ones in the same numbering.
        steps.send(json.dumps({"type": "task:submit", "data": {"task": "what is 7*7?"}}))
        epoch, _, last = numbered(until(steps, "task:complete"))[-1].rpartition(":")
        assert epoch == seen[-1].rpartition(":")[0]
        assert int(last) > int(seen[-1].rpartition(":")[2])


def test_a_wallet_gets_what_it_missed_and_nothing_twice(tmp_path: Path) -> None:
    wallet = Wallet(11)
    with engine_process(tmp_path, STRICT) as engine:
        with rest(engine.url, engine.token(wallet.public_key)) as client:
            session = client.post("/api/v1/sessions", json={"title": "Arithmetic"}).raise_for_status().json()["id"]
            with event_stream(client, "session", session) as events:
                with socket(engine, "/api/ws", wallet.proof()) as heard:
                    ask(client, session, "what is 6*7?")
                    assert "42" in answers(heard, 1)[-1]
                stream_until(events, "done")
                ask(client, session, "what is 7*7?")
                stream_until(events, "done")
                with socket(engine, "/api/ws", wallet.proof()) as heard:
                    assert "49" in answers(heard, 1)[-1]
                ask(client, session, "what is 9*9?")
                # It is kept now; whether the wallet's feed tells it already is open.
                stream_until(events, "done")
        engine.kill()
    with engine_process(tmp_path, STRICT) as engine, socket(engine, "/api/ws", wallet.proof()) as heard:
        missed = answers(heard, 1)
        assert len(missed) == 2
        assert "9*9" in missed[0]
        assert "81" in missed[1]


def ask(client: httpx2.Client, session: str, prompt: str) -> None:
    client.post("/api/v1/tasks", json={"agent": "offline", "prompt": prompt, "session_id": session}).raise_for_status()


def answers(connection: ClientConnection, count: int) -> list[str]:
    """The texts of the conversation's messages, up to so many of an assistant."""
    texts: list[str] = []
    while count:
        message = told(connection)
        if message["type"] == "new_message":
            texts.append(message["message"]["content"][0]["text"])
            count -= message["message"]["role"] == "assistant"
    return texts


def test_a_file_is_still_there(tmp_path: Path) -> None:
    data = b"\x89PNG\r\n\x1a\n" + bytes(200_000)
    with engine_process(tmp_path) as engine:
        with rest(engine.url) as client:
            brought = client.post(UPLOADS, params={"name": "a.png"}, content=data).raise_for_status().json()["data"]
        engine.kill()
    with engine_process(tmp_path) as engine, rest(engine.url) as client:
        assert client.get(brought["url"]).raise_for_status().content == data


def test_a_room_goes_on_counting_and_knows_what_was_said(tmp_path: Path) -> None:
    path = "/api/v1/pipelines/support/ws/connect?session_type=person"
    with engine_process(tmp_path) as engine:
        with socket(engine, path) as room:
            said = say(room, "what is 6*7?")
            room.send(json.dumps({"type": "read", "message_id": said}))
            until(room, "read")
        engine.kill()
    with engine_process(tmp_path) as engine, socket(engine, path) as room:
        assert say(room, "what is 7*7?") == said + 2
        with rest(engine.url) as client:
            history = client.get("/api/v1/pipelines/support/ws/messages/person").raise_for_status().json()["data"]
        assert [message["id"] for message in history["messages"]] == [1, 2, 3, 4]


def say(room: ClientConnection, text: str) -> int:
    """Returns the number of the answer, once it is whole."""
    room.send(json.dumps({"type": "message", "message": [{"type": "Plain", "text": text}]}))
    while True:
        message = told(room)
        if message["type"] == "response" and message["data"]["is_final"]:
            number: int = message["data"]["id"]
            return number
