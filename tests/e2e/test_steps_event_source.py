"""npm's `eventsource` follows the steps at `/sse`, over a cut and over another life of the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.e2e.clients import rest
from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess, engine_process
from tests.e2e.node_process import NodeProcess, node_process
from tests.e2e.tcp_proxy import tcp_proxy

TYPES = ("connected", "status", "plan:created", "waiting:confirmation", "task:complete", "tools:list", "gap")
IN_MEMORY = '[store]\npath = ":memory:"\n'


def until(script: NodeProcess, kind: str) -> tuple[Any, list[str]]:
    """The data of the next event of a type, and the ids of those up to it that have one of their own."""
    ids: list[str] = []
    while True:
        line = script.read()
        if isinstance(line.get("data"), dict) and "eventId" in line["data"] and line["type"] != "connected":
            assert line["id"] == line["data"]["eventId"]
            ids.append(line["id"])
        if line["type"] == kind:
            return line["data"], ids


def test_a_cut_loses_and_doubles_nothing(engine: EngineProcess, token: Token) -> None:
    key = token("event-source")
    with rest(engine.url, key) as api, tcp_proxy(engine.port) as proxy:
        urls = json.dumps([f"{proxy.url}/sse?access_token={key}"])
        with node_process("follow.mjs", urls, json.dumps(TYPES)) as script:
            first = until(script, "connected")[0]["data"]["clientId"]
            asked = {"task": "go", "agent": "asking", "clientId": first}
            task_id = api.post("/task", json=asked).raise_for_status().json()["taskId"]
            question, before = until(script, "waiting:confirmation")
            assert question["data"]["taskId"] == task_id
            proxy.drop()
            step = {"stepId": question["data"]["stepId"], "approved": True, "taskId": task_id}
            greeting, between = until(script, "connected")
            assert greeting["data"]["recovered"] is True
            again = greeting["data"]["clientId"]
            assert again != first
            assert api.post("/command", json={"type": "get:tools", "clientId": first}).status_code == 404
            command = {"type": "step:confirm", "data": step, "clientId": again}
            api.post("/command", json=command).raise_for_status()
            complete, after = until(script, "task:complete")
    assert complete["data"]["success"] is True
    offsets = [int(one.rpartition(":")[2]) for one in before + between + after]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))


def test_another_life_of_the_engine_is_told_as_a_loss(tmp_path: Path) -> None:
    with engine_process(tmp_path, IN_MEMORY) as engine:
        port = engine.port
        urls = json.dumps([f"{engine.url}/sse"])
        with node_process("follow.mjs", urls, json.dumps(TYPES)) as script:
            until(script, "status")
            engine.stop()
            with engine_process(tmp_path, IN_MEMORY, port=port):
                greeting, _ = until(script, "connected")
                assert greeting["data"]["recovered"] is False
                assert until(script, "status")[0]["data"]["state"] == "idle"
