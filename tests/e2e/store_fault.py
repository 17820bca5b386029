"""What a client may expect of an engine whose store fails, and what must be true once it works again."""

from __future__ import annotations

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import httpx2

from tests.e2e.clients import Socket, assert_gapless, gateway_socket, rest
from tests.e2e.engine_process import EngineProcess

OPEN = "[auth]\nrequired = false\n[server]\ndrain_seconds = 1\n"
APART = OPEN + '[store]\npath = "data/callboard.db"\n'
"""The database in a folder of its own."""
PIECES = 400
AT_ONCE = 2.0
"""Seconds in which a write is refused that nobody tries to keep."""

Act: TypeAlias = Callable[[], None]


class Board:
    """Publishes to one topic and knows what was acknowledged and what was refused."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self.acknowledged: list[int] = []
        self.refused: list[int] = []

    def publish(self, *, size: int = 0) -> httpx2.Response:
        number = len(self.acknowledged) + len(self.refused)
        data = {"number": number, "pad": "x" * size}
        event = {"channel": "app", "topic": "board", "event_type": "note", "data": data}
        answer = self._client.post("/api/v1/publish", json=event)
        (self.acknowledged if answer.status_code == 200 else self.refused).append(number)
        return answer

    def read(self) -> list[int]:
        answer = self._client.get("/api/v1/channels/app/board/history", params={"limit": 1000})
        assert answer.status_code == 200, answer.text
        return [event["data"]["number"] for event in answer.json()["events"]]


def go_through(engine: EngineProcess, fail: Act, mend: Act, reason: str) -> None:
    """The whole of it, from good days over bad ones to good ones. The engine is killed at the end."""
    with rest(engine.url) as client, gateway_socket(engine.socket_url) as socket, _operator(engine) as operator:
        board = Board(client)
        assert board.publish().status_code == 200
        task = socket.create("burst", str(PIECES))
        socket.subscribe("task", task["task_id"], since={task["task_id"]: task["position"]})
        fail()
        _check_refusals(client, board, reason)
        _check_what_goes_on(socket, board)
        _check_alert(operator, reason)
        assert engine.wait_log("the store fails: nothing is taken that must be kept")["level"] == "critical"
        mend()
        engine.wait_log("the store works again")
        _await_told(operator, "alerts", lambda data: data["message"] == "what comes is kept again")
        assert client.get("/readyz").status_code == 200
        assert "callboard_store_failing 0.0" in client.get("/metrics").text
        assert board.publish().status_code == 200
        _check_task(socket)
    engine.kill()
    assert kept_numbers(engine.folder / "data" / "callboard.db") == board.acknowledged


def kept_numbers(path: Path) -> list[int]:
    """What the file holds of the board, in order: its offsets are dense."""
    db = sqlite3.connect(path)
    query = "SELECT offset, body FROM event JOIN topic ON topic.id = event.topic WHERE topic.topic = 'board' ORDER BY 1"
    rows = db.execute(query).fetchall()
    db.close()
    assert [offset for offset, _ in rows] == list(range(1, len(rows) + 1))
    return [json.loads(body)["number"] for _, body in rows]


def assert_refused(answer: httpx2.Response, reason: str) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    error = answer.json()["error"]
    assert error["code"] == "UNAVAILABLE"
    assert re.search(reason, error["message"])


def _check_refusals(client: httpx2.Client, board: Board, reason: str) -> None:
    assert_refused(board.publish(), reason)
    began = time.monotonic()
    assert_refused(board.publish(), reason)
    assert time.monotonic() - began < AT_ONCE
    assert_refused(client.get("/readyz"), reason)
    assert client.get("/healthz").status_code == 200
    figures = client.get("/metrics").text
    assert "callboard_store_failing 1.0" in figures
    assert "callboard_ready 0.0" in figures


def _check_what_goes_on(socket: Socket, board: Board) -> None:
    assert socket.request("ping")["type"] == "pong"
    assert board.read() == board.acknowledged


@contextmanager
def _operator(engine: EngineProcess) -> Iterator[Socket]:
    """Somebody who watches how the engine fares."""
    with gateway_socket(engine.socket_url) as socket:
        socket.subscribe("system", "alerts", "stats")
        yield socket


def _check_alert(operator: Socket, reason: str) -> None:
    """It does not wait for better days, and the figures say the same."""
    _await_told(operator, "alerts", lambda data: data["kind"] == "store" and re.search(reason, data["message"]))
    _await_told(operator, "stats", lambda data: re.search(reason, data["store_failure"] or ""))


def _await_told(operator: Socket, topic: str, says: Callable[[dict[str, Any]], object]) -> None:
    while (event := operator.event())["topic"] != topic or not says(event["data"]):
        pass


def _check_task(socket: Socket) -> None:
    """The agent waited, and has lost nothing by it."""
    events = socket.events_until()
    assert_gapless(events)
    text = "".join(event["data"]["content"] for event in events if event["event_type"] == "agent.message")
    assert text == "".join(f"{number} " for number in range(1, PIECES + 1))
    assert events[-1]["event_type"] == "task.completed"
