"""The connection below a face: JSON frames over trio-websocket, and the owner's requests over HTTP."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import httpx2
import msgspec
import orjson
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from tests.support.wallets import Wallet

Frame: TypeAlias = dict[str, Any]
_WAIT_SECONDS = 10.0
_MESSAGE_BYTES = 8 * 1024 * 1024


class Place(msgspec.Struct, frozen=True):
    """Where the engine is, and who comes: `token` is an API key whose user is the wallet's public key.

    `receive_buffer`: bytes that the kernel takes in for a client that does not read.
    """

    port: int
    token: str
    wallet: Wallet
    receive_buffer: int | None = None

    async def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of an answer that is a success."""
        given = headers or {"Authorization": f"Bearer {self.token}"}
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", trust_env=False) as http:
            answer = await http.request(method, path, json=body, headers=given)
        assert answer.is_success, answer.text
        return orjson.loads(answer.content)


class Frames:
    """One socket."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket

    async def send(self, frame: Frame) -> None:
        await self._socket.send_message(orjson.dumps(frame).decode())

    async def next(self) -> Frame:
        with trio.fail_after(_WAIT_SECONDS):
            frame: Frame = orjson.loads(await self._socket.get_message())
        return frame

    async def until(self, kind: str) -> Frame:
        """The next frame of this type; others are passed over."""
        while (frame := await self.next())["type"] != kind:
            pass
        return frame


@asynccontextmanager
async def connected(place: Place, path: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Frames]:
    sock = trio.socket.socket()
    if place.receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, place.receive_buffer)
    await sock.connect(("127.0.0.1", place.port))
    sent = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    async with trio.SocketStream(sock) as stream, trio.open_nursery() as nursery:
        websocket = await wrap_client_stream(
            nursery, stream, "127.0.0.1", path, extra_headers=sent, max_message_size=_MESSAGE_BYTES
        )
        yield Frames(websocket)
        # Who has not read all would wait for its turn to say goodbye.
        nursery.cancel_scope.cancel()
