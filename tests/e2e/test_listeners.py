"""The further ports: none unless configured, each by one line, and everything served on each of them."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from websockets.sync.client import connect

from tests.e2e.engine_process import PATIENCE, EngineProcess, engine_process, environment, serve_command
from tests.support.wallets import Wallet

SOCKETS = {
    "agent": ("/ws/agent", "connected"),
    "steps": ("/ws", "connected"),
    "pipeline": ("/api/v1/pipelines/p/ws/connect", "connected"),
    "wallet": (f"/api/ws?publicKey={Wallet(1).public_key}", "connection_established"),
}


@contextmanager
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def free_port() -> int:
    with taken_port() as port:
        return port


def places(engine: EngineProcess) -> list[str]:
    """Where it says that it listens."""
    # Said after all of them.
    engine.wait_log("wallets are not asked for a signature: a public key alone proves nothing")
    return [line["url"] for line in engine.log if line["event"] == "listening"]


def test_by_default_there_is_one_port(tmp_path: Path) -> None:
    with engine_process(tmp_path) as engine:
        assert places(engine) == [engine.url]


@pytest.mark.parametrize("name", SOCKETS)
def test_one_line_opens_a_port_and_everything_is_there(name: str, tmp_path: Path) -> None:
    port = free_port()
    with engine_process(tmp_path, f"listeners.{name} = {port}\n") as engine:
        assert places(engine) == [engine.url, f"http://127.0.0.1:{port}"]
        for path, greeting in SOCKETS.values():
            with connect(f"ws://localhost:{port}{path}", proxy=None) as client:
                assert json.loads(client.recv(PATIENCE))["type"] == greeting
        with connect(f"ws://localhost:{port}/api/v1/gateway/ws", proxy=None) as client:
            client.send('{"type": "ping"}')
            assert json.loads(client.recv(PATIENCE))["type"] == "pong"
        for path in ("/readyz", "/docs", "/ws/statistics"):
            assert httpx2.get(f"http://localhost:{port}{path}", trust_env=False).status_code == 200


def test_a_port_that_is_taken_is_named_and_nothing_is_served(tmp_path: Path) -> None:
    with taken_port() as port:
        (tmp_path / "callboard.toml").write_text(f"listeners.steps = {port}\n")
        done = subprocess.run(
            serve_command(0), cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    (failure,) = [line for line in lines if line["event"] == "the engine failed"]
    assert f"127.0.0.1:{port}" in failure["cause"]
    assert "listening" not in [line["event"] for line in lines]
