"""The clients in the document of the agent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.documents.blocks import Block
from tests.documents.in_node import Surroundings, running_text
from tests.documents.shell import bash
from tests.e2e.engine_process import PATIENCE, EngineProcess, environment

pytestmark = pytest.mark.needs_seeds

ADDRESS = "ws://localhost:8003/ws/agent"
OPEN = Surroundings(socket=ADDRESS)


@contextmanager
def somebody() -> Iterator[ClientConnection]:
    """A client that is connected and has been greeted."""
    with connect(ADDRESS, proxy=None) as socket:
        assert json.loads(socket.recv(PATIENCE))["type"] == "connected"
        yield socket


@pytest.mark.sample("001", "http://localhost:8003/static/")
def test_the_page_is_there(engine: EngineProcess, sample: Block) -> None:
    answer = httpx2.get(sample.text.strip(), trust_env=False)
    assert answer.status_code == 200
    assert "<html" in answer.text


@pytest.mark.sample("001", "ws://localhost:8003/")
def test_the_address(engine: EngineProcess, sample: Block) -> None:
    with connect(sample.text.strip(), proxy=None) as socket:
        greeting = json.loads(socket.recv(PATIENCE))
    assert greeting["message"] == "Connected to Agent WebSocket"


@pytest.mark.sample("001", "import asyncio")
def test_the_python_client(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    script = tmp_path / "client.py"
    script.write_text(sample.text)
    done = subprocess.run(
        [sys.executable, script],
        env={**environment(), "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=True,
    )
    received, rest = done.stdout.split("\n", 1)
    assert json.loads(received.removeprefix("Received: "))["message"] == "Connected to Agent WebSocket"
    answer, completed = rest.rstrip("\n").rsplit("\n", 1)
    assert "characters" in answer
    assert completed == "✓ Stream completed"
    assert "Error" not in done.stdout


@pytest.mark.sample("001", "const ws = new WebSocket(")
def test_the_javascript_client(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    with running_text(sample.text, tmp_path) as client:
        client.until_log("Connected")
        client.until_type("received", "stream_end")
        frames = [told for name, told in client.lines if name == "received"]
        chunks = [frame["content"] for frame in frames if frame["type"] == "stream_chunk"]
        assert "characters" in "".join(chunks)
        shown = [line for line in client.logged() if not line.startswith("Received:")]
        assert shown == ["Connected", *chunks]
        assert len(client.logged()) == len(shown) + len(frames)
        client.happens("close")
        client.until_log("Disconnected")
        assert client.errors() == []


@pytest.mark.sample("001", "const ws = new WebSocket(")
def test_the_javascript_client_where_nobody_is(sample: Block, tmp_path: Path) -> None:
    with running_text(sample.text, tmp_path, Surroundings(hosts={"localhost:8003": "127.0.0.1:1"})) as client:
        client.until_log("Disconnected")
        (error,) = client.errors()
        assert error.startswith("WebSocket error:")


@pytest.mark.sample("001", "// 发送消息")
def test_a_live_conversation(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    with running_text(sample.text, tmp_path, OPEN) as client:
        client.until_type("received", "stream_end")
        shown = [told for name, told in client.lines if name == "shown"]
        assert len(shown) > 1
        assert "characters" in "".join(shown)


@pytest.mark.sample("001", "// 调用计算器工具")
def test_a_call_of_a_tool(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    with running_text(sample.text, tmp_path, OPEN) as client:
        result = client.until_type("received", "tool_result")
        assert (result["tool_name"], result["result"]) == ("calculator", 579)


@pytest.mark.sample("001", "// 定时发送心跳")
def test_a_heartbeat(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    with running_text(sample.text, tmp_path, OPEN) as client:
        assert client.until("every") == 30_000
        client.happens("tick")
        client.happens("tick")
        pongs = [client.next_type("received", "pong") for _ in range(2)]
        assert all(isinstance(pong["timestamp"], float) for pong in pongs)


def statistics(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.sample("001", "curl http://localhost:8003/ws/statistics")
def test_the_statistics(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    before = statistics(bash(sample.text, tmp_path, tmp_path / "bin"))
    with somebody() as socket:
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv(PATIENCE))["type"] == "pong"
        during = statistics(bash(sample.text, tmp_path, tmp_path / "bin"))
    assert during["total_connections"] == before["total_connections"] + 1
    assert during["total_messages"] == before["total_messages"] + 1
    assert 1 in [one["message_count"] for one in during["connections"]]


@pytest.mark.sample("001", "# 获取实时统计")
def test_the_statistics_as_they_are_watched(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    with somebody():
        watched = bash(sample.text, tmp_path, tmp_path / "bin")
    assert statistics(watched)["active_connections"] >= 1
    assert '\n  "active_connections": ' in watched


@pytest.mark.sample("001", "# 查看 Agent Engine 日志")
def test_the_log(engine: EngineProcess, sample: Block) -> None:
    # It follows the file for ever: read until a line is there, and ended with all that it has started.
    following = subprocess.Popen(
        ["bash", "-c", sample.text], cwd=engine.folder, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["event"]
    finally:
        os.killpg(following.pid, signal.SIGKILL)
        following.communicate()
