"""A client of the agent dialect over trio-websocket, which nobody here wrote."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from tests.support.gateway import Gateway
from transport.agent_conversation import AGENT_SOCKET_PATH


class AgentClient:
    """Every wait fails after ten seconds."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket

    async def send(self, kind: str, **fields: object) -> None:
        await self.socket.send_message(orjson.dumps({"type": kind, **fields}).decode())

    async def receive(self) -> dict[str, Any]:
        with trio.fail_after(10):
            frame: dict[str, Any] = orjson.loads(await self.socket.get_message())
        assert isinstance(frame["timestamp"], float), frame
        return frame

    async def receive_until(self, *kinds: str) -> list[dict[str, Any]]:
        """All frames up to one of these types."""
        frames = [await self.receive()]
        while frames[-1]["type"] not in kinds:
            frames.append(await self.receive())
        return frames

    async def ask(self, kind: str, **fields: object) -> dict[str, Any]:
        """Sends it and returns the next frame."""
        await self.send(kind, **fields)
        return await self.receive()


@asynccontextmanager
async def agent_client(
    gateway: Gateway, user: str | None = None, *, query: str = "", greeted: bool = True
) -> AsyncIterator[AgentClient]:
    """Connected, and its greeting read unless it is not to be."""
    headers: Sequence[tuple[bytes, bytes]] = []
    if user is not None:
        headers = [(b"Authorization", b"Bearer " + user.encode())]
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(
            nursery, stream, "127.0.0.1", AGENT_SOCKET_PATH + query, extra_headers=list(headers)
        )
        client = AgentClient(socket)
        if greeted:
            assert (await client.receive())["type"] == "connected"
        yield client
        await socket.aclose()
