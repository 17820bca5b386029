"""A bare client of each of the five dialects: what a test says to all of them alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import orjson
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from tests.support.gateway import Gateway
from tests.support.pipeline import PIPELINE
from tests.support.wallets import Wallet

Frame = dict[str, Any]
WALLETS = {"alice": Wallet(1), "bob": Wallet(2)}


class Dialect(msgspec.Struct, frozen=True):
    """`path` and `opening` have USER where the credential goes. `greetings`: how many frames come before the client
    has asked for anything. `error_text`: where an error says what is wrong."""

    name: str
    path: str
    greetings: int
    error_text: Callable[[Frame], str]
    opening: str = ""

    def headers(self, user: str) -> list[tuple[bytes, bytes]]:
        return [(b"X-Solana-PublicKey", WALLETS[user].public_key.encode())] if self.name == "wallet" else []


DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "gateway",
            "/api/v1/gateway/ws",
            1,
            lambda frame: str(frame["payload"]["message"]),
            '{"type":"auth","payload":{"token":"USER"}}',
        ),
        Dialect("agent", "/ws/agent?access_token=USER", 1, lambda frame: str(frame["error"])),
        Dialect("steps", "/ws?access_token=USER", 2, lambda frame: str(frame["data"]["message"])),
        Dialect(
            "pipeline",
            f"/api/v1/pipelines/{PIPELINE}/ws/connect?session_type=person",
            1,
            lambda frame: str(frame["message"]),
            '{"type":"authenticate","token":"USER"}',
        ),
        Dialect("wallet", "/api/ws", 1, lambda frame: str(frame["message"])),
    )
}


class DialectClient:
    def __init__(self, dialect: Dialect, socket: WebSocketConnection) -> None:
        self.dialect = dialect
        self.socket = socket
        self._pings = 0

    async def receive(self) -> Frame:
        with trio.fail_after(10):
            frame: Frame = orjson.loads(await self.socket.get_message())
        return frame

    async def before_pong(self) -> list[Frame]:
        """All that comes before the answer to a ping that is sent now."""
        self._pings += 1
        named = f"ping-{self._pings}"
        await self.socket.send_message(f'{{"type":"ping","id":"{named}"}}')
        frames = [await self.receive()]
        while frames[-1]["type"] != "pong":
            frames.append(await self.receive())
        assert frames.pop()["id"] == named
        return frames


@asynccontextmanager
async def dialect_client(gateway: Gateway, name: str, user: str) -> AsyncIterator[DialectClient]:
    """Greeted, as this user (a wallet is a user of its own)."""
    dialect = DIALECTS[name]
    path = dialect.path.replace("USER", user)
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(
            nursery, stream, "127.0.0.1", path, extra_headers=dialect.headers(user), max_message_size=1 << 24
        )
        client = DialectClient(dialect, socket)
        if dialect.opening:
            await socket.send_message(dialect.opening.replace("USER", user))
        for _ in range(dialect.greetings):
            assert (await client.receive())["type"] != "error"
        yield client
        await socket.aclose()
