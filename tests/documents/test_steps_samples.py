"""The clients in the document of the steps, with those of `clients/js` in the place of the package that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.documents.blocks import Block
from tests.documents.built import REALTIME, assert_typed, build
from tests.documents.in_node import running
from tests.e2e.engine_process import PATIENCE, EngineProcess
from tests.support.node import client_package

pytestmark = pytest.mark.needs_seeds

UNHURRIED = Path(__file__).with_name("unhurried.mjs")
TASK = "分析数据"


@contextmanager
def watcher() -> Iterator[ClientConnection]:
    """Another client of the same user."""
    with connect("ws://localhost:8080/ws", proxy=None) as socket:
        until(socket, "status")
        yield socket


def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The data of the next frame of this type."""
    while True:
        frame = json.loads(socket.recv(PATIENCE))
        if frame["type"] == kind:
            data: dict[str, Any] = frame["data"]
            return data


def written(sample: Block, folder: Path) -> Path:
    source = folder / "sample.ts"
    source.write_text(sample.text)
    return source


@pytest.mark.sample("002", "import { WebSocketClient }")
def test_the_websocket_client_at_full_speed(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    source = written(sample, tmp_path)
    assert_typed(source)
    module = build(source, {REALTIME: client_package()})
    with watcher() as socket, running(module) as client:
        client.until("done")
        sent = [frame for name, frame in client.lines if name == "sent"]
        assert sent == [
            {"type": "task:submit", "data": {"task": TASK, "context": {"context": "value"}}},
            {"type": "task:cancel"},
        ]
        # It has gone before anything could happen: what it has asked for has been done.
        result = until(socket, "task:complete")
        assert (result["success"], result["cancelled"]) == (False, True)
        assert client.logged() == client.errors() == []


@pytest.mark.sample("002", "import { WebSocketClient }")
def test_the_websocket_client_line_by_line(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    module = build(written(sample, tmp_path), {REALTIME: UNHURRIED, "callboard-client": client_package()})
    with running(module) as client:
        client.until("done")
        client.until_log("任务完成: true")
        plan = client.until_type("received", "plan:created")["data"]["plan"]
        assert client.logged() == [
            f"计划创建: {len(plan['steps'])} 步",
            *(f"步骤完成: {step['name']}" for step in plan["steps"]),
            "任务完成: true",
        ]
        client.happens("release")
        client.until_type("sent", "task:cancel")
        assert client.errors() == []


@pytest.mark.sample("002", "import { SSEClient }")
def test_the_event_stream_client(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    source = written(sample, tmp_path)
    assert_typed(source)
    module = build(source, {REALTIME: client_package()})
    with watcher() as socket, running(module) as client:
        names = [step["name"] for step in until(socket, "plan:created")["plan"]["steps"]]
        for name in names:
            client.until_log(f"完成: {name}")
        assert until(socket, "task:complete")["success"]
        assert client.logged() == [f"完成: {name}" for name in names]
        assert client.errors() == []
