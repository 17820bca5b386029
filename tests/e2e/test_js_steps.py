"""The steps' two clients of `clients/js`, built, in Node, against a real engine over connections that break."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Token
from tests.e2e.engine_process import EngineProcess, engine_process
from tests.e2e.node_process import NodeProcess, node_process
from tests.e2e.tcp_proxy import tcp_proxy
from tests.support.node import client_package

KINDS = ["WebSocketClient", "SSEClient"]
CONFIRM = "please confirm: 6*7"


class Client:
    """What the client in Node has told so far."""

    def __init__(self, script: NodeProcess) -> None:
        self._script = script
        self._results: list[dict[str, Any]] = []
        self.told: dict[str, list[dict[str, Any]]] = {"frame": [], "state": [], "plan": [], "step": []}

    def call(self, method: str, *arguments: object) -> dict[str, Any]:
        """`{"result"}` or `{"error"}`."""
        self._script.write({"method": method, "args": arguments})
        self.until(lambda: bool(self._results))
        return self._results.pop(0)

    def until(self, met: Callable[[], bool]) -> None:
        while not met():
            line = self._script.read()
            ((kind, value),) = line.items()
            if kind in self.told:
                self.told[kind].append(value)
            else:
                self._results.append(line)

    def wait(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The data of the frame of this type that came as the `count`th."""
        self.until(lambda: len(self.of(kind)) >= count)
        data: dict[str, Any] = self.of(kind)[count - 1]["data"]
        return data

    def wait_status(self, state: str) -> None:
        self.until(lambda: any(frame["data"]["state"] == state for frame in self.of("status")))

    def wait_state(self, name: str, count: int = 1) -> None:
        """Returns once the connection has entered this state for the `count`th time."""
        self.until(lambda: sum(state["name"] == name for state in self.told["state"]) >= count)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.told["frame"] if frame["type"] == kind]

    def ids_but_of(self, *kinds: str) -> list[str]:
        """Of all frames that everybody is told."""
        told = [frame for frame in self.told["frame"] if frame["type"] not in ("connected", *kinds)]
        return [frame["eventId"] for frame in told if "eventId" in frame]


@pytest.fixture(scope="module")
def module() -> str:
    return client_package()


@contextmanager
def client(module: str, kind: str, url: str, key: str | None) -> Iterator[Client]:
    """A client that has been greeted."""
    options: dict[str, object] = {"reconnectInterval": 1, "maxReconnectInterval": 100}
    if key is not None:
        options["token"] = key
    if kind == "SSEClient":
        options |= {"url": f"{url}/sse", "taskUrl": f"{url}/task"}
    else:
        options["url"] = url.replace("http", "ws", 1) + "/ws"
    with node_process("steps_client.mjs", module, kind, json.dumps(options)) as running:
        connected = Client(running)
        assert connected.call("connect") == {"result": None}
        yield connected


@pytest.mark.parametrize("kind", KINDS)
def test_plan_steps_confirmation_and_completion(engine: EngineProcess, token: Token, module: str, kind: str) -> None:
    with client(module, kind, engine.url, token(f"steps-{kind}")) as js:
        tools = js.call("getTools")["result"]
        assert {"calculator", "clock"} <= {tool["name"] for tool in tools}
        js.call("submitTask", CONFIRM)
        question = js.wait("waiting:confirmation")
        js.call("confirmStep", question["stepId"], True)
        outcome = js.wait("task:complete")
        assert outcome["success"] is True
        assert "42" in outcome["output"]
        assert [step["name"] for step in js.told["plan"][0]["steps"]] == [step["name"] for step in js.told["step"]]
        assert {step["status"] for step in js.told["step"]} == {"success"}


@pytest.mark.parametrize("kind", KINDS)
def test_cuts_lose_and_double_nothing(engine: EngineProcess, token: Token, module: str, kind: str) -> None:
    key = token(f"steps-cuts-{kind}")
    with (
        tcp_proxy(engine.port) as proxy,
        client(module, kind, proxy.url, key) as js,
        client(module, kind, engine.url, key) as witness,
    ):
        js.call("submitTask", CONFIRM)
        question = js.wait("waiting:confirmation")
        proxy.drop()
        witness.wait("waiting:confirmation")
        witness.call("confirmStep", question["stepId"], True)
        js.wait_state("open", 2)
        js.wait_status("complete")
        witness.wait_status("complete")
        # Progress alone may be merged.
        assert js.ids_but_of("step:progress") == witness.ids_but_of("step:progress")
        assert len(set(js.ids_but_of())) == len(js.ids_but_of())


@pytest.mark.parametrize("kind", KINDS)
def test_a_cancelled_task_leaves_it_idle(engine: EngineProcess, token: Token, module: str, kind: str) -> None:
    with client(module, kind, engine.url, token(f"steps-cancel-{kind}")) as js:
        js.call("submitTask", "slowly count to 1000")
        js.wait("step:progress")
        js.call("cancelTask")
        assert js.wait("task:complete")["cancelled"] is True
        js.until(lambda: js.of("status")[-1]["data"]["state"] == "idle")
        js.call("submitTask", "1+1")
        assert js.wait("task:complete", 2)["success"] is True


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_that_died_with_the_engine_is_not_shown_as_running(tmp_path: Path, module: str, kind: str) -> None:
    config = "[server]\ndrain_seconds = 0.1\n"
    with engine_process(tmp_path / "first", config) as first, client(module, kind, first.url, None) as js:
        js.call("submitTask", "slowly count to 1000")
        js.wait_status("executing")
        first.process.kill()
        js.wait_state("waiting")
        with engine_process(tmp_path / "second", config, port=first.port):
            js.wait_state("open", 2)
            assert js.wait("connected", 2)["recovered"] is False
            js.until(lambda: js.of("status")[-1]["data"]["state"] == "idle")


def test_an_operators_check_of_clients(tmp_path: Path, module: str) -> None:
    config = '[steps]\nverify_client = "tests.e2e.agents:one_user"\n'
    with engine_process(tmp_path, config) as engine:
        with client(module, "WebSocketClient", engine.url, "sesame") as js:
            js.call("submitTask", "1+1")
            assert js.wait("task:complete")["success"] is True
        refused = {"url": engine.url.replace("http", "ws", 1) + "/ws", "token": "other"}
        with node_process("steps_client.mjs", module, "WebSocketClient", json.dumps(refused)) as running:
            assert "error" in Client(running).call("connect")
