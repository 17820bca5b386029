"""Wallets with real keys, and a client of the dialect over trio-websocket."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from nacl.signing import SigningKey
from trio_websocket import WebSocketConnection, wrap_client_stream

from tests.support.gateway import Gateway

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


_PROOF_SECONDS = 60
_latest = itertools.count(1)


class Wallet:
    """A key pair made of a number."""

    def __init__(self, number: int) -> None:
        self._key = SigningKey(number.to_bytes(32, "big"))
        self.public_key = base58(bytes(self._key.verify_key))

    def sign(self, nonce: str) -> str:
        return base64.b64encode(self._key.sign(nonce.encode()).signature).decode()

    def headers(self, nonce: str | None = None) -> dict[str, str]:
        named = {"X-Solana-PublicKey": self.public_key}
        return named if nonce is None else {**named, "X-Solana-Nonce": nonce, "X-Solana-Signature": self.sign(nonce)}

    def proof(self) -> dict[str, str]:
        """The headers of one request, signed a minute ahead. A nonce is good once: no two proofs have the same."""
        return self.headers(str(int(time.time() + _PROOF_SECONDS) * 1000 + next(_latest)))


class WalletClient:
    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket

    async def send(self, text: str) -> None:
        await self.socket.send_message(text)

    async def text(self) -> str:
        with trio.fail_after(10):
            received = await self.socket.get_message()
        assert isinstance(received, str)
        return received

    async def receive(self) -> dict[str, Any]:
        found: dict[str, Any] = orjson.loads(await self.text())
        return found

    async def until(self, kind: str, state: str | None = None) -> list[dict[str, Any]]:
        """All frames up to one of this type, and of this state of a task."""
        seen = [await self.receive()]
        while seen[-1]["type"] != kind or (state is not None and seen[-1]["task"]["status"]["state"] != state):
            seen.append(await self.receive())
        return seen


@asynccontextmanager
async def wallet_client(
    gateway: Gateway, headers: dict[str, str], path: str = "/api/ws"
) -> AsyncIterator[WalletClient]:
    """A socket that has been greeted already."""
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream, trio.open_nursery() as nursery:
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        socket = await wrap_client_stream(nursery, stream, "127.0.0.1", path, extra_headers=sent)
        client = WalletClient(socket)
        greeting = await client.receive()
        assert greeting["type"] == "connection_established"
        yield client
        await socket.aclose()
