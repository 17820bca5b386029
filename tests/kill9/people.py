"""People in the pipelines' and the wallets' dialects, and what they have been promised over sockets."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from tests.kill9.clients import AWAY, HOST, PAUSE
from tests.kill9.promises import Promised
from tests.kill9.publishers import ask
from tests.support.wallets import Wallet

_WHILE_AWAY = 3
"""Turns of the conversation."""
_ROOM = "/api/v1/pipelines/support/ws/connect?session_type=person"


class Person(Promised):
    """One socket after another."""

    async def run(self) -> None:
        while True:
            try:
                async with self._socket() as socket:
                    await self.converse(socket)
            except* AWAY:
                pass
            await trio.sleep(PAUSE)

    @abstractmethod
    async def converse(self, socket: WebSocketConnection) -> None: ...

    @abstractmethod
    def request(self) -> tuple[str, dict[str, str]]:
        """The path of the socket, and the headers that say who it is."""

    @asynccontextmanager
    async def _socket(self) -> AsyncIterator[WebSocketConnection]:
        port = self.client.base_url.port
        assert port is not None
        path, named = self.request()
        headers = [(name.encode(), value.encode()) for name, value in named.items()]
        async with await trio.open_tcp_stream(HOST, port) as stream, trio.open_nursery() as nursery:
            yield await wrap_client_stream(nursery, stream, HOST, path, extra_headers=headers)
            nursery.cancel_scope.cancel()


class Chatter(Person):
    """Talks in a room of its own, and reads what it is told: what was said has its number, what was read its mark."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        super().__init__(client)
        self._said: dict[int, str] = {}
        self._read = 0
        self._count = 0

    def request(self) -> tuple[str, dict[str, str]]:
        return _ROOM, {"Authorization": self.client.headers["Authorization"]}

    async def converse(self, socket: WebSocketConnection) -> None:
        await self._say(socket)
        while True:
            message = await _receive(socket)
            match message["type"]:
                case "user_message":
                    data = message["data"]
                    self._said[data["id"]] = data["content"]
                    await _send(socket, type="read", message_id=data["id"])
                case "read":
                    self._read = max(self._read, message["data"]["message_id"])
                    await trio.sleep(5 * PAUSE)
                    await self._say(socket)
                case "error":
                    return

    async def examine(self) -> None:
        history = await self.get("/api/v1/pipelines/support/ws/messages/person?limit=100")
        there = {message["id"]: message["content"] for message in history["data"]["messages"]}
        oldest = min(there, default=0)
        for number, content in self._said.items():
            if number >= oldest:
                is_there = there.get(number) == content
                self.expect(kept=is_there, problem=f"message {number} of the room is {there.get(number)!r}")
        async with self._socket() as socket:
            await _send(socket, type="read", message_id=1)
            while (message := await _receive(socket))["type"] not in ("read", "error"):
                pass
            # An error: the room has not a single message.
            mark = message["data"]["message_id"] if message["type"] == "read" else 0
            self.expect(kept=mark >= self._read, problem=f"read up to {self._read}, and the mark is at {mark}")

    async def _say(self, socket: WebSocketConnection) -> None:
        self._count += 1
        await _send(socket, type="message", message=[{"type": "Plain", "text": str(self._count)}])


class Absent(Person):
    """A wallet that is away while others talk in its conversation, and comes to hear what they have said."""

    def __init__(self, client: httpx2.AsyncClient, wallet: Wallet) -> None:
        """`client` has a key of the wallet's."""
        super().__init__(client)
        self._wallet = wallet
        self._session = ""
        self._asked: list[str] = []
        self._heard = ""

    def request(self) -> tuple[str, dict[str, str]]:
        return "/api/ws", self._wallet.proof()

    async def run(self) -> None:
        self._session = (await ask(self.client, "/api/v1/sessions", {"title": "away"}))["id"]
        await super().run()

    async def converse(self, socket: WebSocketConnection) -> None:
        # What is said before its first visit is not kept for it. It goes when it has heard all: what is sent to one who
        # is going is lost with the socket, and nobody could tell.
        self._heard += str(await socket.get_message())
        await self._hear_all(socket)
        await socket.aclose()
        for _ in range(_WHILE_AWAY):
            turn = {"agent": "burst", "prompt": "20", "session_id": self._session}
            self._asked.append((await ask(self.client, "/api/v1/tasks", turn))["id"])
            await trio.sleep(5 * PAUSE)

    async def examine(self) -> None:
        for task_id in self._asked:
            await self.ended(task_id)
        async with self._socket() as socket:
            await self._hear_all(socket)
        self.kept += len(self._asked)

    async def _hear_all(self, socket: WebSocketConnection) -> None:
        while any(task_id not in self._heard for task_id in self._asked):
            self._heard += str(await socket.get_message())


async def _receive(socket: WebSocketConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await socket.get_message())
    return message


async def _send(socket: WebSocketConnection, **message: object) -> None:
    await socket.send_message(json.dumps(message))
