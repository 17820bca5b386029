"""What a client finds of a task after it was compacted, beside the topic itself."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2

from tests.e2e.clients import rest
from tests.e2e.engine_process import PATIENCE, engine_process
from tests.support.wallets import Wallet

STRICT = "[auth]\nrequired = true\n[store]\ncompact_seconds = 0.1\n"


def test_a_wallet_still_reads_what_the_agent_said(tmp_path: Path) -> None:
    wallet = Wallet(5)
    with engine_process(tmp_path, STRICT) as engine, rest(engine.url, engine.token(wallet.public_key)) as client:
        task = client.post("/api/v1/tasks", json={"agent": "burst", "prompt": "30"}).raise_for_status().json()["id"]
        _wait_until_compacted(client, task)
        told = client.get(f"/api/tasks/{task}", headers=wallet.proof()).raise_for_status().json()["task"]
    texts = [entry["parts"][0]["text"] for entry in told["history"]]
    assert texts == ["30", "".join(f"{number} " for number in range(1, 31)), "30 pieces"]


def _wait_until_compacted(client: httpx2.Client, task: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        page = client.get(f"/api/v1/channels/task/{task}/history", params={"since": "0"}).raise_for_status().json()
        if page["gap"] is not None:
            assert page["gap"]["reason"] == "compacted"
            return
    raise AssertionError("the task is not compacted")
