"""The clients in the document of the wallets, and the page that it names (`samples/`)."""

from __future__ import annotations

import json

import httpx2
import pytest
from websockets.sync.client import connect

from tests.documents.blocks import Block, document
from tests.documents.requests import filled, send
from tests.e2e.engine_process import PATIENCE, EngineProcess
from tests.support.wallets import Wallet

pytestmark = pytest.mark.needs_seeds

HERE = "localhost:12000"
ADDRESS = "ws://your-server-domain/api/ws"


@pytest.mark.sample("004", "X-Solana-PublicKey")
def test_the_address_and_its_header(engine: EngineProcess, sample: Block) -> None:
    assert f"`{ADDRESS}`" in document("004")
    wallet = Wallet(4)
    name, value = filled(sample.text.strip(), {"wallet_address": wallet.public_key}).split(": ")
    with connect(ADDRESS.replace("your-server-domain", HERE), additional_headers={name: value}, proxy=None) as socket:
        greeting = json.loads(socket.recv(PATIENCE))
    assert greeting["wallet_address"] == wallet.public_key


@pytest.mark.sample("004", "GET /api/websocket-info")
def test_what_the_service_says_of_itself(engine: EngineProcess, sample: Block) -> None:
    with connect(f"ws://{HERE}/api/ws?publicKey={Wallet(5).public_key}", proxy=None) as socket:
        socket.recv(PATIENCE)
        told = send(f"http://{HERE}", sample.text)
    assert (told["endpoint"], told["auth_header"]) == ("/api/ws", "X-Solana-PublicKey")
    assert told["active_connections"] >= 1
    # Each type that the document gives an example of.
    types = told["supported_message_types"]
    assert set(types["client_to_server"]) >= {"ping"}
    assert set(types["server_to_client"]) >= {"connection_established", "new_message", "task_update", "pong"}


def test_the_page_that_the_document_names(engine: EngineProcess) -> None:
    assert "`samples/websocket_client_example.html`" in document("004")
    answer = httpx2.get(f"http://{HERE}/samples/websocket_client_example.html", trust_env=False)
    assert answer.status_code == 200
    assert "<html" in answer.text
