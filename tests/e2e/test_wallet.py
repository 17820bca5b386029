"""Wallets of a real engine: what its log says of them, and that a signature opens it."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2

from tests.e2e.engine_process import PATIENCE, engine_process
from tests.support.wallets import Wallet

WARNING = "wallets are not asked for a signature: a public key alone proves nothing"


def test_the_log_says_what_a_key_alone_proves(tmp_path: Path) -> None:
    with engine_process(tmp_path) as engine:
        assert engine.wait_log(WARNING)["level"] == "info"
        with httpx2.Client(base_url=engine.url, trust_env=False, timeout=PATIENCE) as client:
            answer = client.get("/api/conversations", headers=Wallet(1).headers())
        assert answer.json() == {"conversations": [], "next": None}


def test_where_credentials_are_required_a_wallet_has_to_sign(tmp_path: Path) -> None:
    with engine_process(tmp_path, "[auth]\nrequired = true\n") as engine:
        with httpx2.Client(base_url=engine.url, trust_env=False, timeout=PATIENCE) as client:
            assert client.get("/api/conversations", headers=Wallet(1).headers()).status_code == 401
            signed = Wallet(1).headers(str(int(time.time() * 1000) + 60_000))
            assert client.get("/api/conversations", headers=signed).status_code == 200
            again = client.get("/api/conversations", headers=signed)
        assert again.json()["error"] == {"code": "UNAUTHORIZED", "message": "the nonce has been used already"}
        engine.stop()
        assert WARNING not in [line["event"] for line in engine.log]
