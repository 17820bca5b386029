"""An engine at the addresses that the documents give, by the lines of configuration that open their ports."""

from __future__ import annotations

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.documents.blocks import Block, client
from tests.e2e.engine_process import EngineProcess, engine_process

GATEWAY_PORT = 18080
LISTENERS = {"agent": 8003, "steps": 8080, "pipeline": 8000, "wallet": 12000}

CONFIG = "\n".join(
    (
        "[server]",
        "drain_seconds = 1",
        "[listeners]",
        *(f"{name} = {port}" for name, port in LISTENERS.items()),
        "[logging]",
        "to_file = true",
    )
)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """Asks nobody for a credential, on the port of its own and on those of all five documents.

    Fails where one is taken: an address in a document names its port, and no other will do.
    """
    with _only_one():
        for port in (GATEWAY_PORT, *LISTENERS.values()):
            _require_free(port)
        with engine_process(tmp_path_factory.mktemp("documents"), CONFIG, port=GATEWAY_PORT) as running:
            yield running


@pytest.fixture
def sample(request: pytest.FixtureRequest) -> Block:
    """The block that the test's marker names."""
    marker = request.node.get_closest_marker("sample")
    return client(*marker.args)


@contextmanager
def _only_one() -> Iterator[None]:
    """Waits for another run of these tests on this machine."""
    with (Path(tempfile.gettempdir()) / f"callboard-documents-{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _require_free(port: int) -> None:
    try:
        socket.create_connection(("localhost", port), timeout=5).close()
    except ConnectionRefusedError:
        return
    pytest.fail(
        f"port {port} is taken, and the documents' addresses name it: "
        f"end what listens there (`ss -ltnp 'sport = :{port}'` tells)",
        pytrace=False,
    )
