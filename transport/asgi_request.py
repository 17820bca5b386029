"""One HTTP request inside the application: who runs its handler, and what that receives."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio
from hypercorn.config import Config
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)

_log = logging.getLogger("callboard.http")


class LateDisconnect:
    """Keeps `http.disconnect` back while the last part of an answer is being sent.

    Hypercorn puts it in front of the application as soon as the answer is complete. Quart takes it for a client that
    left and cancels the request, and with it Hypercorn's own steps that make the connection ready for the next one.
    """

    def __init__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._receive = receive
        self._send = send
        self._ending = False
        self._ended = trio.Event()

    async def receive(self) -> ASGIReceiveEvent:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._ending:
            await self._ended.wait()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(message)
            return
        self._ending = True
        try:
            await self._send(message)
        finally:
            self._ended.set()


class Inbox:
    """What one request's handler receives. The news that its client left never waits for room behind a body."""

    def __init__(self, size: int) -> None:
        self._writer, self._reader = trio.open_memory_channel[ASGIReceiveEvent](size)

    async def put(self, message: ASGIReceiveEvent) -> None:
        """Waits while the handler lags; once it has ended, drops the message."""
        if message["type"] == "http.disconnect":
            self._writer.close()
            return
        try:
            await self._writer.send(message)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def get(self) -> ASGIReceiveEvent:
        try:
            return await self._reader.receive()
        except trio.EndOfChannel:
            return {"type": "http.disconnect"}

    def close(self) -> None:
        self._reader.close()


class RequestTasks:
    """Hypercorn's task group over a nursery of ours. A handler that has ended never blocks who feeds it."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    async def spawn_app(
        self,
        app: AppWrapper,
        config: Config,
        scope: Scope,
        send: Callable[[ASGISendEvent | None], Awaitable[None]],
    ) -> Callable[[ASGIReceiveEvent], Awaitable[None]]:
        inbox = Inbox(config.max_app_queue_size)
        self._nursery.start_soon(_run_application, app, scope, inbox, send)
        return inbox.put

    def spawn(self, function: Callable[..., Awaitable[None]], *args: object) -> None:
        self._nursery.start_soon(function, *args)


async def _run_application(
    app: AppWrapper, scope: Scope, inbox: Inbox, send: Callable[[ASGISendEvent | None], Awaitable[None]]
) -> None:
    try:
        await app(scope, inbox.get, send, trio.to_thread.run_sync, trio.from_thread.run)
    # Whatever one request's handler does must not end the other requests of its connection.
    except* Exception:  # noqa: BLE001
        _log.exception("The HTTP application failed")
    finally:
        inbox.close()
        await send(None)
