"""The client class that the gateway's own document gives as its example, word for word, on npm's `ws`; and the one of
`clients/js`, which may stand in its place."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.conftest import SEEDS
from tests.e2e.clients import rest
from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess
from tests.e2e.node_process import NodeProcess, node_process
from tests.support.node import client_package

TASK_TYPES = (
    "task.started",
    "agent.thinking",
    "agent.message",
    "agent.tool_call",
    "agent.tool_result",
    "plan.created",
    "step.started",
    "step.progress",
    "step.completed",
    "step.confirm",
    "task.turn_started",
    "task.turn_completed",
    "task.completed",
    "task.failed",
    "task.cancelled",
)
SYSTEM_TYPES = ("task.created", "agent.created", "session.created", "batch.created", "alert")


class SeedClient:
    """The class in Node: its methods are called from here, its handlers' events come back."""

    def __init__(self, script: NodeProcess) -> None:
        self._script = script
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, *arguments: object) -> Any:  # what the class resolves with
        self._script.write({"method": method, "args": arguments})
        while "result" not in (line := self._script.read()):
            self._take(line)
        return line["result"]

    def wait(self, event_type: str, **data: object) -> dict[str, Any]:
        """The first event of this type whose data holds these members."""
        while True:
            for event in self.events:
                if event["type"] == event_type and data.items() <= event["data"].items():
                    return event
            self._take(self._script.read())

    def _take(self, line: dict[str, Any]) -> None:
        if "event" in line:
            self.events.append(line["event"])
        assert "error" not in line

    def types(self, task_id: str) -> list[str]:
        return [event["type"] for event in self.events if event["payload"]["topic"] == task_id]


def seed_class() -> str:
    text = (SEEDS / "000_744938c07d5e283d.txt").read_text()
    found = re.search(r"^class AgentBoxGateway \{\n.*?^\}\n", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[0]


Connect: TypeAlias = Callable[[str], AbstractContextManager[SeedClient]]


@pytest.fixture(params=[pytest.param("document", marks=pytest.mark.needs_seeds), "package"])
def connected(request: pytest.FixtureRequest, engine: EngineProcess, tmp_path: Path) -> Connect:
    """`connected(key)`: a client that has logged in."""
    if request.param == "package":
        package = ("gateway_client.mjs", client_package(), engine.socket_url)
        return lambda key: _client(*package, key, "{}", *TASK_TYPES, *SYSTEM_TYPES)
    source = tmp_path / "seed.js"
    source.write_text(seed_class())
    document = ("seed_client.mjs", str(source), "AgentBoxGateway", engine.socket_url)
    return lambda key: _client(*document, key, *TASK_TYPES, *SYSTEM_TYPES)


@contextmanager
def _client(script: str, *arguments: str) -> Iterator[SeedClient]:
    with node_process(script, *arguments) as running:
        client = SeedClient(running)
        client.call("connect")
        yield client
        client.call("disconnect")
        assert running.end() == 0


def test_a_task_from_start_to_end(engine: EngineProcess, token: Token, connected: Connect) -> None:
    key = token("seed")
    with connected(key) as client, rest(engine.url, key) as api:
        assert client.call("subscribe", "task")["success"]
        prompt = {"agent": "offline", "prompt": "Please confirm: what is 6*7? Then count to 3."}
        task_id = api.post("/api/v1/tasks", json=prompt).json()["id"]
        question = client.wait("step.confirm")
        assert question["payload"]["topic"] == task_id
        turn = client.call("appendTurn", task_id, "What is 40+2?")
        assert turn["success"]
        assert turn["turn"] == 2
        answer = {"step_id": question["data"]["step_id"], "approved": True}
        assert api.post(f"/api/v1/tasks/{task_id}/confirm", json=answer).status_code == 200
        assert "42" in client.wait("task.completed", task_id=task_id)["data"]["result"]
        assert set(client.types(task_id)) == set(TASK_TYPES) - {"task.failed", "task.cancelled"}
        said = [event["data"]["content"] for event in client.events if event["type"] == "agent.message"]
        assert "6*7 = 42" in "".join(said)
        assert client.wait("agent.tool_result", name="calculator")["data"]["success"]


def test_failure_and_cancellation(engine: EngineProcess, token: Token, connected: Connect) -> None:
    key = token("seed")
    with connected(key) as client, rest(engine.url, key) as api:
        client.call("subscribe", "task")
        failing = api.post("/api/v1/tasks", json={"agent": "offline", "prompt": "fail: no luck"}).json()["id"]
        assert client.wait("task.failed", task_id=failing)["data"]["error"] == "no luck"
        running = api.post("/api/v1/tasks", json={"agent": "patient", "prompt": "wait"}).json()["id"]
        client.wait("agent.message")
        assert client.call("cancelTask", running)["success"]
        client.wait("task.cancelled", task_id=running)
        assert client.types(running)[-1] == "task.cancelled"
        refused = client.call("cancelTask", "task-123")
        assert not refused["success"]
        assert refused["message"]


def test_system_events(engine: EngineProcess, token: Token, connected: Connect) -> None:
    key, admin = token("seed"), token("root", "admin")
    agent = f"elsewhere-{secrets.token_hex(4)}"  # new to an engine that other tests have used
    with (
        connected(key) as client,
        rest(engine.url, key) as api,
        rest(engine.url, token("operator", "agent")) as operator,
        rest(engine.url, admin) as root,
    ):
        client.call("subscribe", "system", ["tasks", "agents", "sessions", "batches", "alerts"])
        task = {"agent": "offline", "prompt": "1+1"}
        batch_id = api.post("/api/v1/batches", json={"tasks": [task, task]}).json()["id"]
        session_id = api.post("/api/v1/sessions", json={"title": "t"}).json()["id"]
        task_id = api.post("/api/v1/tasks", json=task).json()["id"]
        operator.post("/api/v1/agents", json={"name": agent, "description": "d"}).raise_for_status()
        alert = {"channel": "system", "topic": "alerts", "event_type": "alert", "data": {"message": "disk"}}
        root.post("/api/v1/publish", json=alert).raise_for_status()
        client.wait("task.created", task_id=task_id)
        assert len(api.get(f"/api/v1/batches/{batch_id}").json()["task_ids"]) == 2
        client.wait("task.created", batch_id=batch_id)
        client.wait("batch.created", batch_id=batch_id)
        client.wait("session.created", session_id=session_id)
        client.wait("agent.created", agent_id=agent)
        client.wait("alert", message="disk")


def test_unsubscribe_and_ping(engine: EngineProcess, token: Token, connected: Connect) -> None:
    key = token("seed")
    with connected(key) as client, rest(engine.url, key) as api:
        assert client.call("send", "ping", {}) is None
        task_id = api.post("/api/v1/tasks", json={"agent": "patient", "prompt": "hello"}).json()["id"]
        assert client.call("subscribe", "task", [task_id])["topics"] == [task_id]
        client.call("appendTurn", task_id, "again")
        client.wait("agent.message", content="turn 2: again")
        seen = len(client.events)
        assert client.call("unsubscribe", "task", [task_id])["success"]
        api.post(f"/api/v1/tasks/{task_id}/turns", json={"prompt": "end"}).raise_for_status()
        # What happens later reaches another subscription of this socket: the task's end would have come before it.
        client.call("subscribe", "system", ["sessions"])
        session_id = api.post("/api/v1/sessions", json={}).json()["id"]
        client.wait("session.created", session_id=session_id)
        assert [event["type"] for event in client.events[seen:]] == ["session.created"]
