"""One connection from its upgrade to its end: requests and their answers, and events in between."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from callboard_client.errors import ConnectionLost
from callboard_client.events import Event, Gap
from callboard_client.frames import Reply, decode, encode_request
from callboard_client.handshake import ending
from callboard_client.snapshots import Pushed, Snapshot

OnReply: TypeAlias = Callable[[Reply], None]
"""Called in the reader, before it reads on: what follows a reply on the wire must find it applied."""


_OUTGOING = 16
"""Requests that may wait to be written. Full policy: who asks waits."""


class _Request:
    def __init__(self, on_reply: OnReply | None) -> None:
        self.on_reply = on_reply
        self.reply: Reply | None = None
        self.settled = trio.Event()


class Link:
    """Over once `read` has raised."""

    def __init__(self, socket: WebSocketConnection, asked: Callable[[], None]) -> None:
        """`asked` is called when an answer begins to be awaited."""
        self._socket = socket
        self._asked = asked
        self._ids = itertools.count(1)
        self._requests: dict[str, _Request] = {}
        self._loss = ""
        self._leaving = False
        # Written by a task of its own: a request that is cancelled in mid-frame would break the connection for all.
        self._send, self._outgoing = trio.open_memory_channel[str](_OUTGOING)

    def is_awaited(self) -> bool:
        """Whether an answer is."""
        return bool(self._requests)

    async def request(self, kind: str, payload: dict[str, Any], on_reply: OnReply | None = None) -> Reply:
        """Raises ConnectionLost where the connection ends before the answer."""
        request_id = f"r{next(self._ids)}"
        request = _Request(on_reply)
        text = encode_request(request_id, kind, payload)
        if self._loss:
            raise self._lost()
        self._requests[request_id] = request
        self._asked()
        try:
            await self._send.send(text)
            await request.settled.wait()
        except trio.BrokenResourceError:
            raise self._lost() from None
        finally:
            self._requests.pop(request_id, None)
        if request.reply is None:
            raise self._lost()
        return request.reply

    async def read(self, deliver: Callable[[Pushed], Awaitable[None]]) -> NoReturn:
        """Takes what comes until the end, and raises what that was: ConnectionLost or Stopped."""
        try:
            while True:
                frame = decode(await self._socket.get_message())
                match frame:
                    case Reply():
                        self._settle(frame)
                    case Event() | Gap() | Snapshot():
                        await deliver(frame)
        except ConnectionClosed as closed:
            if self._leaving:
                # Whoever says goodbye needs the connection for the answer to it.
                await trio.sleep_forever()
            raise ending(closed.reason) from None

    async def write(self) -> None:
        """Sends requests as they come, until the connection ends: why it does is the reader's to say."""
        with self._outgoing, suppress(ConnectionClosed):
            async for text in self._outgoing:
                await self._socket.send_message(text)

    def lose(self, why: str) -> None:
        """Fails what is still waiting. Idempotent."""
        self._loss = self._loss or why
        for request in self._requests.values():
            request.settled.set()

    async def keep_alive(self, seconds: float) -> None:
        """Gives the server cause for a sign of life, so that a dead one is noticed by its silence."""
        with suppress(ConnectionClosed):
            while True:
                await trio.sleep(seconds)
                await self._socket.ping()

    async def close(self) -> None:
        """Says goodbye and waits for the answer."""
        self._leaving = True
        await self._socket.aclose()

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(self._loss or "the connection broke")

    def _settle(self, reply: Reply) -> None:
        request = self._requests.get(reply.id or "")
        # The answer to a request that was given up, or to none of ours.
        if request is None:
            return
        if request.on_reply is not None:
            request.on_reply(reply)
        request.reply = reply
        request.settled.set()
