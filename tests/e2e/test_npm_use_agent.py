"""The hook of npm's `@gtc-tech/agent-core-ui`, which nobody here wrote, in React under jsdom against a real engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.engine_process import EngineProcess, engine_process
from tests.e2e.node_process import NodeProcess, node_process
from tests.support.node import ui_folder

CONFIG = "[server]\ndrain_seconds = 0.1\n"
CONFIRM = "please confirm: 6*7"


class Panel:
    """What the hook shows its page."""

    def __init__(self, script: NodeProcess) -> None:
        self._script = script
        self.view: dict[str, Any] = {"connected": False}

    def call(self, method: str, *arguments: object) -> None:
        self._script.write({"method": method, "args": arguments})

    def until(self, met: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while not met(self.view):
            self.view = self._script.read()["view"]
        return self.view

    def until_state(self, state: str) -> dict[str, Any]:
        return self.until(lambda view: view["state"] == state)

    @property
    def statuses(self) -> list[str]:
        return [step["status"] for step in self.view["plan"]["steps"]]

    def ask(self) -> None:
        """Submits a task and returns once it waits for a confirmation."""
        self.call("submitTask", CONFIRM)
        self.until_state("waiting")


@pytest.fixture(scope="module")
def scripts() -> Path:
    return ui_folder()


@contextmanager
def panel(scripts: Path, engine: EngineProcess) -> Iterator[Panel]:
    """Connected, and told of the tools."""
    address = engine.url.replace("http", "ws", 1) + "/ws"
    with node_process(str(scripts / "use_agent.mjs"), engine.url, address) as script:
        shown = Panel(script)
        shown.until(lambda view: view["connected"] and len(view["tools"]) > 0)
        yield shown


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Lets everybody on this machine in: the package shows no credential."""
    with engine_process(tmp_path_factory.mktemp("use-agent"), CONFIG) as running:
        yield running


def test_it_lists_tools_submits_confirms_and_sees_every_step(scripts: Path, engine: EngineProcess) -> None:
    with panel(scripts, engine) as shown:
        assert {"calculator", "clock"} <= {tool["name"] for tool in shown.view["tools"]}
        shown.ask()
        assert shown.statuses == ["running", "pending", "pending"]
        shown.call("confirmStep", shown.view["plan"]["steps"][0]["id"], True)
        view = shown.until(lambda view: view["result"] is not None and view["state"] == "complete")
        assert view["result"]["success"] is True
        assert "42" in view["result"]["output"]
        assert shown.statuses == ["success", "success", "success"]
        assert all(isinstance(step["duration"], int) for step in view["plan"]["steps"])
        assert not [line for line in view["log"] if line.startswith("error") or "undefined" in line]


def test_a_declined_step_is_skipped_and_the_task_no_success(scripts: Path, engine: EngineProcess) -> None:
    with panel(scripts, engine) as shown:
        shown.ask()
        shown.call("confirmStep", shown.view["plan"]["steps"][0]["id"], False)
        view = shown.until(lambda view: view["result"] is not None)
        assert view["result"]["success"] is False
        assert shown.statuses == ["skipped", "pending", "pending"]


def test_it_cancels_and_is_idle(scripts: Path, engine: EngineProcess) -> None:
    with panel(scripts, engine) as shown:
        shown.call("submitTask", "slowly count to 1000")
        shown.until(lambda view: any("%" in line for line in view["log"]))
        shown.call("cancelTask")
        view = shown.until(lambda view: view["result"] is not None and view["state"] == "idle")
        assert (view["result"]["success"], view["result"]["cancelled"]) == (False, True)


def test_a_task_that_died_with_the_engine_is_not_shown_as_running(scripts: Path, tmp_path: Path) -> None:
    with engine_process(tmp_path / "first", CONFIG) as first, panel(scripts, first) as shown:
        shown.call("submitTask", "slowly count to 1000")
        shown.until_state("executing")
        first.process.kill()
        shown.until(lambda view: not view["connected"])
        with engine_process(tmp_path / "second", CONFIG, port=first.port):
            shown.until_state("idle")
