"""The gateway client of `clients/js`, built, in Node, against a real engine over connections that break."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.clients import assert_gapless, event_stream, rest, stream_until, unmerged
from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess, engine_process
from tests.e2e.node_process import NodeProcess, node_process
from tests.e2e.tcp_proxy import tcp_proxy
from tests.support.node import client_package

PATH = "/api/v1/gateway/ws"
AT_ONCE = {"reconnectBaseMs": 1, "reconnectCapMs": 100}


class Client:
    """What the client in Node has told so far."""

    def __init__(self, script: NodeProcess) -> None:
        self._script = script
        self._results: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.states: list[dict[str, Any]] = []

    def ask(self, method: str, *arguments: object) -> None:
        self._script.write({"method": method, "args": arguments})

    def result(self) -> Any:  # what the call resolves with
        """The outcome of the first call that was not asked about yet."""
        self.until(lambda: bool(self._results))
        return self._results.pop(0)["result"]

    def call(self, method: str, *arguments: object) -> Any:  # what the call resolves with
        self.ask(method, *arguments)
        return self.result()

    def until(self, met: Callable[[], bool]) -> None:
        while not met():
            line = self._script.read()
            if "event" in line:
                self.events.append(line["event"]["payload"])
            elif "state" in line:
                self.states.append(line["state"])
            else:
                self._results.append(line)

    def wait(self, event_type: str, count: int = 1) -> list[dict[str, Any]]:
        """The events of this type, once there are so many."""
        self.until(lambda: len(self.of(event_type)) >= count)
        return self.of(event_type)

    def wait_state(self, name: str, count: int = 1) -> dict[str, Any]:
        """The state that the connection has entered for the `count`th time."""
        self.until(lambda: sum(state["name"] == name for state in self.states) >= count)
        return [state for state in self.states if state["name"] == name][count - 1]

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event_type"] == event_type]


@pytest.fixture(scope="module")
def module() -> str:
    return client_package()


@contextmanager
def client(module: str, url: str, key: str, **options: object) -> Iterator[Client]:
    """A client that has logged in."""
    script = ("gateway_client.mjs", module, url.replace("http", "ws", 1) + PATH, key)
    with node_process(*script, json.dumps({**AT_ONCE, **options}), "*") as running:
        connected = Client(running)
        connected.call("connect")
        yield connected


def create(js: Client, agent: str, prompt: str) -> str:
    created = js.call("createTask", {"agent": agent, "prompt": prompt})
    assert created["success"], created
    task_id: str = created["task_id"]
    return task_id


def test_cuts_lose_and_double_nothing(engine: EngineProcess, token: Token, module: str) -> None:
    key = token("js-cuts")
    with tcp_proxy(engine.port) as proxy, client(module, proxy.url, key) as js:
        js.call("subscribe", "task")
        task_id = create(js, "burst", "600")
        for cut in (1, 2, 3):
            js.wait("burst.tick", 10 * cut)
            proxy.drop()
            js.wait_state("open", cut + 1)
        js.wait("task.completed")
        events = [event for event in js.events if event["topic"] == task_id]
        assert_gapless(events)
        with rest(engine.url, key) as api, event_stream(api, "task", task_id, "0") as stream:
            assert unmerged(events) == unmerged(stream_until(stream))


def test_what_happens_during_a_cut_comes_after_it(engine: EngineProcess, token: Token, module: str) -> None:
    key = token("js-cut")
    with tcp_proxy(engine.port) as proxy, client(module, proxy.url, key) as js, rest(engine.url, key) as api:
        task_id = create(js, "patient", "one")
        js.call("subscribe", "task", [task_id], {task_id: "0"})
        js.wait("agent.message")
        proxy.drop()
        api.post(f"/api/v1/tasks/{task_id}/turns", json={"prompt": "two"}).raise_for_status()
        assert js.wait("agent.message", 2)[1]["data"]["content"] == "turn 2: two"
        assert js.call("appendTurn", task_id, "three")["turn"] == 3
        js.wait("agent.message", 3)
        proxy.drop()
        js.wait_state("waiting", 2)
        assert js.call("cancelTask", task_id)["success"]
        js.wait("task.cancelled")
        assert_gapless(js.events)


def test_what_begins_and_ends_during_a_cut_is_part_of_the_whole_channel(
    engine: EngineProcess, token: Token, module: str
) -> None:
    key = token("js-new-topics")
    with tcp_proxy(engine.port) as proxy, client(module, proxy.url, key) as js, rest(engine.url, key) as api:
        js.call("subscribe", "task")
        for cut in (1, 2, 3):
            proxy.drop()
            js.wait_state("waiting", cut)
            task = api.post("/api/v1/tasks", json={"agent": "burst", "prompt": "20"}).raise_for_status().json()
            js.wait("task.completed", cut)
            events = [event for event in js.events if event["topic"] == task["id"]]
            assert events[0].get("from", events[0]["offset"]) == 1
            assert_gapless(events)
            with event_stream(api, "task", task["id"], "0") as stream:
                assert unmerged(events) == unmerged(stream_until(stream))
        assert js.of("gap") == []


def test_a_question_is_asked_once_whatever_breaks(engine: EngineProcess, token: Token, module: str) -> None:
    key = token("js-asking")
    with tcp_proxy(engine.port) as proxy, client(module, proxy.url, key) as js:
        js.call("subscribe", "task")
        task_id = create(js, "asking", "publish")
        js.wait("step.confirm")
        proxy.drop()
        js.wait_state("open", 2)
        assert js.call("confirm", task_id, "publish", True)["success"]
        assert js.wait("task.completed")[0]["data"]["result"] == "yes"
        assert len(js.of("step.confirm")) == 1
        assert_gapless(js.events)


def test_a_session_tells_its_output(engine: EngineProcess, token: Token, module: str) -> None:
    key = token("js-session")
    with client(module, engine.url, key) as js, rest(engine.url, key) as api:
        session_id = api.post("/api/v1/sessions", json={}).json()["id"]
        js.call("subscribe", "session", [session_id])
        exec_id = js.call("execSession", session_id, "6*7")["exec_id"]
        assert js.wait("done")[0]["data"]["exec_id"] == exec_id
        assert "42" in "".join(event["data"]["content"] for event in js.of("output"))


def test_the_same_device_elsewhere_ends_it(engine: EngineProcess, token: Token, module: str) -> None:
    key = token("js-device")
    phone = {"deviceId": "phone"}
    with client(module, engine.url, key, **phone) as older, client(module, engine.url, key, **phone) as newer:
        assert older.wait_state("closed")["code"] == 4409
        assert newer.call("send", "ping", {}) is None


def test_a_wrong_key_rejects(engine: EngineProcess, module: str) -> None:
    with node_process("gateway_client.mjs", module, engine.socket_url, "ab_wrong", "{}") as script:
        js = Client(script)
        js.ask("connect")
        assert js.wait_state("closed")["reason"]
        assert script.read()["error"]


def test_a_revoked_key_ends_it(engine: EngineProcess, module: str) -> None:
    key = engine.token("js-revoked")
    with client(module, engine.url, key) as js:
        engine.run("token", "revoke", key)
        assert js.wait_state("closed")["code"] == 4401


def test_what_a_restart_has_ended_is_a_gap(tmp_path: Path, module: str) -> None:
    config = "[server]\ndrain_seconds = 0.1\n"
    with engine_process(tmp_path / "first", config) as first, client(module, first.url, "") as js:
        task_id = create(js, "patient", "one")
        js.call("subscribe", "task", [task_id], {task_id: "0"})
        last = js.wait("task.waiting")[-1]["offset"]
        assert first.stop() == 0
        assert js.wait_state("waiting")["code"] == 1012
        with engine_process(tmp_path / "second", config, port=first.port):
            gap = js.wait("gap")[0]
            assert gap["topic"] == task_id
            assert gap["data"] == {"from": last + 1, "to": None, "reason": "NOT_FOUND"}
            js.wait_state("open", 2)
            assert js.call("send", "ping", {}) is None
