"""The clients in the document of the pipelines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.documents.blocks import Block, client
from tests.documents.in_node import Surroundings, running_text
from tests.documents.requests import filled, send
from tests.documents.shell import bash
from tests.e2e.engine_process import PATIENCE, ROOT, EngineProcess

pytestmark = pytest.mark.needs_seeds

BASE = "http://localhost:8000"
YOURS = {"pipeline_uuid": "your-pipeline-uuid"}


@contextmanager
def member(pipeline: str, session_type: str = "person") -> Iterator[ClientConnection]:
    """A client that has been greeted, at the document's own address."""
    written = client("003", "ws://localhost:8000/").text.strip()
    address = filled(written, {"pipeline_uuid": pipeline, "person|group": session_type})
    with connect(address, proxy=None) as socket:
        greeting = read(socket)
        assert (greeting["type"], greeting["pipeline_uuid"]) == ("connected", pipeline)
        assert greeting["session_type"] == session_type
        yield socket


def read(socket: ClientConnection) -> dict[str, Any]:
    frame: dict[str, Any] = json.loads(socket.recv(PATIENCE))
    return frame


def talk(socket: ClientConnection, text: str) -> str:
    """Says it, and returns the whole answer."""
    socket.send(json.dumps({"type": "message", "message": [{"type": "Plain", "text": text}]}))
    while True:
        frame = read(socket)
        if frame["type"] == "response" and frame["data"]["is_final"]:
            content: str = frame["data"]["content"]
            return content


@pytest.mark.sample("003", "ws://localhost:8000/")
@pytest.mark.parametrize("session_type", ["person", "group"])
def test_the_address(engine: EngineProcess, session_type: str) -> None:
    with member("address", session_type) as socket:
        assert "42" in talk(socket, "6*7")


@pytest.mark.sample("003", "# 安装依赖")
def test_the_test_client(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    printed = bash(filled(sample.text, {"pipeline_uuid": "tested"}), ROOT / "samples", tmp_path / "bin")
    assert (tmp_path / "bin" / "pip.log").read_text() == "install websockets\n"
    assert [line for line in printed.splitlines() if line.endswith(" answered")] == [
        "1 of 1 answered",
        "1 of 1 answered",
        "5 of 5 answered",
    ]
    assert printed.count("connected as ") == 7
    assert printed.count("(group)") == 1
    assert printed.count("disconnected (1000)") == 7
    for number in range(1, 6):
        assert f"[client {number}] pong" in printed


@pytest.mark.sample("003", "// 建立 WebSocket 连接")
def test_the_javascript_client(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    with running_text(sample.text, tmp_path) as chat:
        chat.until_log("响应完成")
        greeting = chat.until_type("received", "connected")
        first, second, *answers = chat.logged()
        assert (first, second) == ("WebSocket 连接已建立", f"连接成功: {greeting['connection_id']}")
        assert answers.pop() == "响应完成"
        assert all(answer.startswith("机器人回复: ") for answer in answers)
        final = answers[-1].removeprefix("机器人回复: ")
        assert final
        assert all(final.startswith(answer.removeprefix("机器人回复: ")) for answer in answers)

        assert chat.until("every") == 30_000
        chat.happens("tick")
        chat.until_type("sent", "ping")
        chat.until_type("received", "pong")

        send(BASE, filled(client("003", "POST /api/v1/pipelines/<pipeline_uuid>/ws/broadcast").text, YOURS))
        chat.until_log("收到广播: 这是一条广播消息")

        chat.happens("close")
        chat.until_log("WebSocket 连接已关闭")
        assert chat.errors() == []


@pytest.mark.sample("003", "// 建立 WebSocket 连接")
def test_the_javascript_client_where_nobody_is(sample: Block, tmp_path: Path) -> None:
    with running_text(sample.text, tmp_path, Surroundings(hosts={"localhost:8000": "127.0.0.1:1"})) as chat:
        chat.until_log("WebSocket 连接已关闭")
        (error,) = chat.errors()
        assert error.startswith("WebSocket 错误:")
        assert chat.logged() == ["WebSocket 连接已关闭"]


@pytest.mark.sample("003", "GET /api/v1/pipelines/<pipeline_uuid>/ws/messages/")
@pytest.mark.parametrize("session_type", ["person", "group"])
def test_the_history(engine: EngineProcess, sample: Block, session_type: str) -> None:
    with member("history", session_type) as socket:
        answer = talk(socket, "1+1")
    told = send(BASE, filled(sample.text, {"pipeline_uuid": "history", "session_type": session_type}))
    messages = [(one["role"], one["content"]) for one in told["data"]["messages"]]
    assert messages == [("user", "1+1"), ("assistant", answer)]


@pytest.mark.sample("003", "POST /api/v1/pipelines/<pipeline_uuid>/ws/reset/")
def test_a_reset(engine: EngineProcess, sample: Block) -> None:
    words = {"pipeline_uuid": "reset", "session_type": "person"}
    history = client("003", "GET /api/v1/pipelines/<pipeline_uuid>/ws/messages/").text
    with member("reset") as socket:
        talk(socket, "1+1")
        assert len(send(BASE, filled(history, words))["data"]["messages"]) == 2
        assert send(BASE, filled(sample.text, words))["data"] == {"message": "Session reset successfully"}
    assert send(BASE, filled(history, words))["data"]["messages"] == []


@pytest.mark.sample("003", "GET /api/v1/pipelines/<pipeline_uuid>/ws/connections")
def test_the_connections(engine: EngineProcess, sample: Block) -> None:
    with member("counted"), member("counted", "group"):
        told = send(BASE, filled(sample.text, {"pipeline_uuid": "counted"}))["data"]
    assert told["stats"]["connections_by_pipeline"]["counted"] == 2
    assert sorted(one["session_type"] for one in told["connections"]) == ["group", "person"]


@pytest.mark.sample("003", "POST /api/v1/pipelines/<pipeline_uuid>/ws/broadcast")
def test_a_broadcast(engine: EngineProcess, sample: Block) -> None:
    with member("told") as person, member("told", "group") as group:
        told = send(BASE, filled(sample.text, {"pipeline_uuid": "told"}))
        assert told["data"] == {"message": "Broadcast sent successfully"}
        for socket in (person, group):
            frame = read(socket)
            assert (frame["type"], frame["message"]) == ("broadcast", "这是一条广播消息")
