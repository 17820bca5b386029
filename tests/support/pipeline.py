"""Clients of pipelines over trio-websocket, on a running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.support.gateway import Gateway

PIPELINE = "550e8400-e29b-41d4-a716-446655440000"


class PipelineClient:
    """One socket in a room. `greeting` is the frame `connected`, where it has come."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self._socket = socket
        self.greeting: dict[str, Any] = {}

    @property
    def id(self) -> str:
        named: str = self.greeting["connection_id"]
        return named

    async def send(self, frame: object) -> None:
        await self.send_raw(orjson.dumps(frame).decode())

    async def send_raw(self, message: str | bytes) -> None:
        await self._socket.send_message(message)

    async def receive(self) -> dict[str, Any]:
        with trio.fail_after(10):
            frame: dict[str, Any] = orjson.loads(await self._socket.get_message())
        return frame

    async def until(self, kind: str) -> list[dict[str, Any]]:
        """All frames up to one of this type; of responses only a final one counts."""
        frames = [await self.receive()]
        while not (frames[-1]["type"] == kind and (kind != "response" or frames[-1]["data"]["is_final"])):
            frames.append(await self.receive())
        return frames

    async def next(self, kind: str) -> dict[str, Any]:
        return (await self.until(kind))[-1]

    async def say(self, text: str, **members: object) -> None:
        await self.send({"type": "message", "message": [{"type": "Plain", "text": text}], **members})

    async def closing(self) -> tuple[int, str | None]:
        """The server's close; what comes before it is passed over."""
        with trio.fail_after(10):
            while self._socket.closed is None:
                try:
                    await self._socket.get_message()
                except ConnectionClosed:
                    break
        assert self._socket.closed is not None
        return self._socket.closed.code, self._socket.closed.reason


@asynccontextmanager
async def pipeline_client(
    gateway: Gateway,
    session_type: str = "person",
    pipeline: str = PIPELINE,
    *,
    query: str = "",
    token: str | None = None,
    greeted: bool = True,
) -> AsyncIterator[PipelineClient]:
    path = f"/api/v1/pipelines/{pipeline}/ws/connect?session_type={session_type}{query}"
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(nursery, stream, "127.0.0.1", path)
        client = PipelineClient(socket)
        if token is not None:
            await client.send({"type": "authenticate", "token": token})
        if greeted:
            client.greeting = await client.receive()
            assert client.greeting["type"] == "connected", client.greeting
        yield client
        await socket.aclose()
