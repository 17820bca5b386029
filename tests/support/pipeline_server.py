"""The pipeline dialect's server as its document describes it, frame for frame, for clients to be tested against."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

STAMP = "2025-01-28T12:00:00"


class PipelineServer:
    """Answers every chat message to all of its room, in growing pieces. Says what it was asked in `asked`."""

    def __init__(self, *, token: str | None = None) -> None:
        self.port = 0
        self.asked: list[dict[str, Any]] = []
        self._token = token
        self._rooms: dict[tuple[str, str], dict[WebSocketConnection, None]] = {}
        self._ids: dict[tuple[str, str], int] = {}

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def serve(self, request: WebSocketRequest) -> None:
        parts = urlsplit(request.path)
        _, _, _, _, pipeline, *rest = parts.path.split("/")
        assert rest == ["ws", "connect"], request.path
        room = (pipeline, parse_qs(parts.query).get("session_type", ["person"])[0])
        socket = await request.accept()
        members = self._rooms.setdefault(room, {})
        try:
            if self._token is None or await self._authenticated(socket):
                members[socket] = None
                await self._converse(socket, room)
        except ConnectionClosed:
            pass
        finally:
            members.pop(socket, None)

    async def _authenticated(self, socket: WebSocketConnection) -> bool:
        frame = orjson.loads(await socket.get_message())
        if frame == {"type": "authenticate", "token": self._token}:
            return True
        await _send(socket, {"type": "error", "message": "Unauthorized"})
        await socket.aclose(4401)
        return False

    async def _converse(self, socket: WebSocketConnection, room: tuple[str, str]) -> None:
        connection_id = str(uuid.uuid4())
        hello = {"type": "connected", "connection_id": connection_id, "pipeline_uuid": room[0]}
        await _send(socket, hello | {"session_type": room[1], "timestamp": STAMP})
        await _send(socket, {"type": "broadcast", "message": "welcome", "timestamp": STAMP})
        while True:
            frame = orjson.loads(await socket.get_message())
            self.asked.append(frame)
            match frame["type"]:
                case "ping":
                    await _send(socket, {"type": "pong", "timestamp": STAMP})
                case "disconnect":
                    await socket.aclose(1000)
                    return
                case "message":
                    await self._answer(room, connection_id, frame["message"])
                case kind:
                    await _send(socket, {"type": "error", "message": f"unknown {kind}"})

    async def _answer(self, room: tuple[str, str], connection_id: str, chain: list[dict[str, Any]]) -> None:
        said = "".join(element["text"] for element in chain)
        await self._tell(room, "user_message", connection_id, "user", said, is_final=True)
        answer_id = self._ids.get(room, 0) + 1
        for end in range(1, len(said) + 1):
            content = said[::-1][:end]
            await self._tell(
                room, "response", connection_id, "assistant", content, is_final=end == len(said), answer_id=answer_id
            )

    async def _tell(
        self,
        room: tuple[str, str],
        kind: str,
        connection_id: str,
        role: str,
        content: str,
        *,
        is_final: bool,
        answer_id: int | None = None,
    ) -> None:
        message_id = answer_id or self._ids.get(room, 0) + 1
        self._ids[room] = max(self._ids.get(room, 0), message_id)
        data = {
            "id": message_id,
            "role": role,
            "content": content,
            "message_chain": [{"type": "Plain", "text": content}],
            "timestamp": STAMP,
            "is_final": is_final,
            "connection_id": connection_id,
        }
        for member in tuple(self._rooms[room]):
            # Who leaves meanwhile ends its own conversation, not the sender's.
            with suppress(ConnectionClosed):
                await _send(member, {"type": kind, "session_type": room[1], "data": data})


async def _send(socket: WebSocketConnection, frame: dict[str, Any]) -> None:
    await socket.send_message(orjson.dumps(frame).decode())


@asynccontextmanager
async def pipeline_server(*, token: str | None = None) -> AsyncIterator[PipelineServer]:
    """A running one, until the block is left."""
    server = PipelineServer(token=token)
    async with trio.open_nursery() as nursery:
        running = await nursery.start(partial(serve_websocket, server.serve, "127.0.0.1", 0, ssl_context=None))
        server.port = running.port
        yield server
        nursery.cancel_scope.cancel()
