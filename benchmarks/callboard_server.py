"""A Callboard process for benchmarks, and the few requests they make of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import msgspec

from benchmarks.flood_agent import Flood

ROOT = Path(__file__).parent.parent
_ENGINE = (sys.executable, "-m", "engine")
START_SECONDS = 30.0
ANSWER_SECONDS = 10.0
BATCH = 1000
AGENTS = (
    "benchmarks.flood_agent:flood",
    "benchmarks.talk_agent:talker",
    "benchmarks.token_agents:streamer",
    "benchmarks.token_agents:trio_streamer",
    "benchmarks.token_agents:greeter",
    "benchmarks.token_agents:idler",
    "benchmarks.token_agents:census",
    "benchmarks.token_agents:teller",
)


class _Task(msgspec.Struct, frozen=True):
    id: str


class _ResultOf(msgspec.Struct, frozen=True):
    id: str
    result: str | None


class _Tasks(msgspec.Struct, frozen=True):
    tasks: list[_ResultOf]


class _Sessions(msgspec.Struct, frozen=True):
    sessions: list[_Task]


class _Published(msgspec.Struct, frozen=True):
    position: str


class _Ended(msgspec.Struct, frozen=True):
    result: str | None = None


class _Batch(msgspec.Struct, frozen=True):
    task_ids: list[str]


class CallboardServer:
    """`callboard serve` with the benchmarks' agents, on loopback, in a directory of its own.

    Without credentials, unless `environment`, which goes before the defaults of the configuration, says otherwise.
    `fill` is handed the path of its database before it starts.
    """

    def __init__(
        self, environment: Mapping[str, str] | None = None, fill: Callable[[Path], None] | None = None
    ) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="callboard-bench-")
        if fill is not None:
            fill(Path(self._directory.name) / "callboard.db")
        self._log = Path(self._directory.name) / "server.log"
        self.port = _free_port()
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self._process = self._start()
        self.pid = self._process.pid
        self._http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)

    def restart(self) -> None:
        """Kills it with -9 and starts it again on what it has kept. On the cores that the caller is pinned to."""
        self._process.kill()
        self._process.wait()
        self._process = self._start()
        self.pid = self._process.pid

    def wait_ready(self) -> None:
        """Returns once it answers. Raises RuntimeError with the end of its log where it does not."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if self._http.get("/readyz").is_success:
                    return
            except httpx2.TransportError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"callboard did not start:\n{self._log.read_text()[-2000:]}")

    def publish(self, topic: str, data: object) -> str:
        """An event of the channel `app`; returns its position."""
        asked = {"channel": "app", "topic": topic, "event_type": "bench", "data": data}
        answer = self._http.post("/api/v1/publish", json=asked)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=_Published).position

    def create_key(self, user: str) -> str:
        """A new API key of this user."""
        command = [*_ENGINE, "token", "create", "--user", user]
        done = subprocess.run(
            command, cwd=self._directory.name, env=self._environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def sign_in(self, user: str) -> str:
        """From now on all that is asked here is asked by this user; returns the user's API key."""
        key = self.create_key(user)
        self._http.headers["Authorization"] = f"Bearer {key}"
        return key

    def room(self, pipeline: str) -> str:
        """The id of the user's only session: the conversation of its room in that pipeline."""
        self._http.get(f"/api/v1/pipelines/{pipeline}/ws/messages/person").raise_for_status()
        answer = self._http.get("/api/v1/sessions")
        answer.raise_for_status()
        (session,) = msgspec.json.decode(answer.content, type=_Sessions).sessions
        return session.id

    def create_flood(self, order: Flood) -> str:
        """A task that waits for `start`; returns its id."""
        return self.create("flood", msgspec.json.encode(order).decode())

    def create(self, agent: str, prompt: str, *, session_id: str | None = None) -> str:
        """A task, of a conversation where one is named; returns its id."""
        asked = {"agent": agent, "prompt": prompt, "session_id": session_id}
        answer = self._http.post("/api/v1/tasks", json=asked)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=_Task).id

    def create_many(self, agent: str, count: int) -> list[str]:
        """So many tasks of an agent; returns their ids."""
        found: list[str] = []
        while len(found) < count:
            tasks = [{"agent": agent, "prompt": "go"}] * min(BATCH, count - len(found))
            answer = self._http.post("/api/v1/batches", json={"tasks": tasks})
            answer.raise_for_status()
            found += msgspec.json.decode(answer.content, type=_Batch).task_ids
        return found

    def ended_tasks(self) -> dict[str, str | None]:
        """The results of the newest tasks, by their ids."""
        answer = self._http.get("/api/v1/tasks", params={"state": "completed"})
        answer.raise_for_status()
        return {task.id: task.result for task in msgspec.json.decode(answer.content, type=_Tasks).tasks}

    def trio_tasks(self) -> int:
        """How many trio tasks live in it, counted from inside once all garbage has been collected."""
        task_id, deadline = self.create("census", "go"), time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < deadline:
            view = msgspec.json.decode(self._http.get(f"/api/v1/tasks/{task_id}").content, type=_Ended)
            if view.result is not None:
                return int(view.result)
            time.sleep(0.02)
        raise RuntimeError("the census of trio tasks did not end")

    def live_topics(self) -> int:
        """How many topics have not been put away, as its metrics tell."""
        for line in self._http.get("/metrics").text.splitlines():
            if line.startswith('callboard_topics{state="live"}'):
                return int(float(line.split()[1]))
        raise RuntimeError("the metrics do not tell the number of topics")

    def start(self, task_id: str) -> None:
        """Appends the turn for which an agent waits."""
        self._http.post(f"/api/v1/tasks/{task_id}/turns", json={"prompt": "go"}).raise_for_status()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [*_ENGINE, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*command, *(text for agent in AGENTS for text in ("--agent", agent))],
                cwd=self._directory.name,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()
        # A drain would wait for tasks that never end; nothing here is to be kept.
        self._process.kill()
        self._process.wait()
        self._directory.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
