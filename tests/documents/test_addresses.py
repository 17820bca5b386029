"""Every address on this machine that a document names, in its text as well, is served."""

from __future__ import annotations

import re

import httpx2
import pytest
from websockets.sync.client import connect

from tests.documents.blocks import DOCUMENTS, document
from tests.e2e.engine_process import PATIENCE, EngineProcess

pytestmark = pytest.mark.needs_seeds

_ADDRESS = re.compile(r"(https?|ws)://localhost(:\d+[^\s`'\"]*)")

AS_PRINTED = {
    # What those teams' server prints of itself: its host and port, without the path of its WebSocket.
    "ws://localhost:8080": "ws://localhost:8080/ws",
    "ws://localhost:8000/api/v1/pipelines/<pipeline_uuid>/ws/connect?session_type=<person|group>": (
        "ws://localhost:8000/api/v1/pipelines/some-pipeline/ws/connect?session_type=group"
    ),
}


def addresses() -> set[str]:
    found = {
        f"{scheme}://localhost{rest}" for number in DOCUMENTS for scheme, rest in _ADDRESS.findall(document(number))
    }
    return {AS_PRINTED.get(address, address) for address in found}


def test_each_is_served(engine: EngineProcess) -> None:
    named = addresses()
    assert {address.split("/")[2] for address in named} == {f"localhost:{port}" for port in (18080, 8003, 8080, 8000)}
    for address in named:
        if address.startswith("ws:"):
            with connect(address, proxy=None):
                continue
        # Not read to its end: one of them is a stream of events.
        with httpx2.stream("GET", address, timeout=PATIENCE, trust_env=False) as answer:
            # A task is posted.
            assert answer.status_code == (405 if address.endswith("/task") else 200), address
