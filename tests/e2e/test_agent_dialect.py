"""The agent dialect against the running engine: its tools, its pace, its file of log."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.e2e.engine_process import EngineProcess


@contextmanager
def agent_socket(engine: EngineProcess) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{engine.port}/ws/agent", proxy=None) as socket:
        assert read(socket)["type"] == "connected"
        yield socket


def read(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(10))
    return message


def ask(socket: ClientConnection, **frame: object) -> tuple[dict[str, Any], float]:
    """The next frame, and how many milliseconds it took."""
    began = time.perf_counter()
    socket.send(json.dumps(frame))
    return read(socket), (time.perf_counter() - began) * 1000


def test_the_calculator_says_579_and_refuses_what_is_hostile_at_once(open_engine: EngineProcess) -> None:
    with agent_socket(open_engine) as socket:
        call = {"type": "tool_call", "tool_name": "calculator"}
        result, _ = ask(socket, **call, params={"expression": "123 + 456"})
        assert result["result"] == 579
        for expression in ("1 / 0", "9**9**9", "__import__('os')", "a + 1", "(" * 999, "10**4000 * 10**4000", ""):
            refused, milliseconds = ask(socket, **call, params={"expression": expression})
            assert refused["error"].startswith("Tool call failed: "), expression
            assert milliseconds < 100
        unfit: tuple[object, ...] = (None, {}, [], {"expression": 5})
        for params in unfit:
            assert ask(socket, **call, params=params)[0]["error"].startswith("Tool call failed: ")


def test_file_logging_writes_the_documents_file(open_engine: EngineProcess) -> None:
    lines = (open_engine.folder / "logs" / "agent-engine.log").read_text().splitlines()
    assert "listening" in [json.loads(line)["event"] for line in lines]


def test_ping_and_cancel_answer_at_once_while_a_query_streams(open_engine: EngineProcess) -> None:
    with agent_socket(open_engine) as socket:
        socket.send(json.dumps({"type": "streaming_query", "query": "Slowly count to 500"}))
        while read(socket)["type"] != "stream_chunk":
            pass
        for kind, answer in (("ping", "pong"), ("cancel", "cancelled")):
            began = time.perf_counter()
            socket.send(json.dumps({"type": kind}))
            while read(socket)["type"] != answer:
                pass
            assert (time.perf_counter() - began) * 1000 < 50
        assert ask(socket, type="ping")[0]["type"] == "pong"
