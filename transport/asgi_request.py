"""One HTTP request inside the application: who runs its handler, and what that receives."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio
from hypercorn.config import Config
from hypercorn.typing import (
    AppWrapper,
    ASGIReceiveEvent,
    ASGISendEvent,
    Scope,
)

_log = logging.getLogger("callboard.http")


class Inbox:
    """What one request's handler receives.

    Hypercorn reports a disconnect as soon as an answer is complete, inside the handler's own last `send`. Quart takes
    that for a client that left and cancels the request, with Hypercorn's steps towards the next request in it. So the
    news is passed on without a checkpoint: the handler's `send` has returned before anyone can act on it. Nor does it
    wait for room behind a body that the handler does not read.
    """

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
