"""A real engine as a process of the test: `python -m engine serve` with a folder and a configuration of its own."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
"""Seconds after which what a test waits for will not come any more."""

_AGENTS = ("asking", "burst", "flood", "led", "patient", "steady", "stepping", "stubborn", "witness")


class EngineProcess:
    """One engine from its start to its end. `log` holds the lines that it has written so far, decoded; `text` those
    that are no log lines."""

    def __init__(self, folder: Path, port: int | None) -> None:
        self.folder = folder
        self.log: list[dict[str, Any]] = []
        self.text = ""
        self.url = ""
        self._logged = threading.Condition()
        self.process = subprocess.Popen(serve_command(port), cwd=folder, env=environment(), stderr=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def socket_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/api/v1/gateway/ws"

    def wait_log(self, event: str) -> dict[str, Any]:
        """The first line that says `event`, once it is there."""
        with self._logged:
            found = self._logged.wait_for(lambda: self._find(event) or not self._reader.is_alive(), PATIENCE)
        if not isinstance(found, dict):
            raise AssertionError(f"the engine did not say {event!r}: {self.log} {self.text}")
        return found

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit status, once the process has ended and all of its log is read."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def troubles(self) -> list[dict[str, Any]]:
        """The lines of the log that nobody wants to read."""
        return [line for line in self.log if line["level"] in ("warning", "error", "critical")]

    def run(self, *arguments: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Another command of the same command line, in the engine's own folder or another one."""
        command = [sys.executable, "-m", "engine", *arguments]
        return subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=check,
        )

    def token(self, user: str, *scopes: str) -> str:
        """A new API key, as `callboard token create` prints it."""
        chosen = [part for scope in scopes for part in ("--scope", scope)]
        return self.run("token", "create", "--user", user, *chosen).stdout.strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._logged:
                if line.startswith(b"{"):
                    self.log.append(json.loads(line))
                else:
                    self.text += line.decode()
                self._logged.notify_all()
        with self._logged:
            self._logged.notify_all()

    def _find(self, event: str) -> dict[str, Any] | None:
        return next((line for line in self.log if line["event"] == event), None)


@contextmanager
def engine_process(
    folder: Path,
    config: str = "",
    *,
    port: int = 0,
    verify: ssl.SSLContext | bool = True,
) -> Iterator[EngineProcess]:
    """An engine that is ready. It is told to stop at the end, must do so in good order, and is killed whatever comes.

    A test that ends it earlier judges its exit status itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "callboard.toml").write_text(config)
    engine = EngineProcess(folder, port)
    try:
        engine.url = engine.wait_log("listening")["url"]
        with httpx2.Client(base_url=engine.url, trust_env=False, verify=verify, timeout=PATIENCE) as client:
            assert client.get("/readyz").status_code == 200
        yield engine
        if engine.process.poll() is None:
            assert engine.stop() == 0, engine.text
            assert engine.troubles() == []
    finally:
        engine.kill()


def serve_command(port: int | None) -> Sequence[str]:
    """Without a port, the configured one."""
    chosen = () if port is None else ("--port", str(port))
    agents = [part for name in _AGENTS for part in ("--agent", f"tests.e2e.agents:{name}")]
    return [sys.executable, "-m", "engine", "serve", *chosen, *agents]


_PLAIN_NAMES = ("HOST", "PORT", "WS_HEARTBEAT_INTERVAL", "WS_MAX_CONNECTIONS")


def environment() -> dict[str, str]:
    """Ours without what would configure an engine or send its clients to a proxy."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CALLBOARD_") and name not in _PLAIN_NAMES and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "clients" / "python"))), "NO_PROXY": "*"}
