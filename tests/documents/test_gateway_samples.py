"""The clients in the document of the gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.documents.blocks import Block
from tests.documents.in_node import Surroundings, running_text
from tests.e2e.clients import rest
from tests.e2e.engine_process import EngineProcess

pytestmark = pytest.mark.needs_seeds


@pytest.mark.sample("000", "ws://localhost:18080/")
def test_the_address(engine: EngineProcess, sample: Block) -> None:
    with connect(sample.text.strip(), proxy=None) as socket:
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv(10))["type"] == "pong"


@pytest.mark.sample("000", "class AgentBoxGateway")
def test_the_class_and_its_use(engine: EngineProcess, sample: Block, tmp_path: Path) -> None:
    key = engine.token("reader", "admin")
    with rest(engine.url, key) as api:
        task_id = api.post("/api/v1/tasks", json={"agent": "patient", "prompt": "hello"}).json()["id"]
        # The key and the task are the reader's own.
        yours = Surroundings(words={"ab_xxx...": key, "task-123": task_id})
        with running_text(sample.text, tmp_path, yours) as client:
            assert client.until_type("received", "auth.result")["payload"]["user_id"] == "reader"
            assert client.until_type("received", "subscribed")["payload"]["topics"] == ["task-123"]
            client.until("done")
            for prompt in ("more", "end"):
                api.post(f"/api/v1/tasks/{task_id}/turns", json={"prompt": prompt}).raise_for_status()
            client.until_log("Task completed: 3 turns")
            assert client.logged() == ["Agent: turn 2: more", "Task completed: 3 turns"]
            assert client.errors() == []
