"""The shell of every client of an event stream over HTTP/1.1, whatever it is told: only the framing differs from a
WebSocket."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable
from functools import lru_cache

import h11
import trio

from actors.connection import Connection
from actors.errors import CallboardError, CloseCode
from actors.outbox import Outbox
from actors.subscription import Encoder
from transport.berth import Work
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.dialects.gateway_events import HEARTBEAT
from transport.http_error import error_reply, http_status

_ANY_GET = b"GET / HTTP/1.1\r\nhost: any\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_RETRY_SECONDS = 1.0
"""What a client is told where it may try again and nothing says when."""


def chunk(block: bytes) -> bytes:
    """RFC 9112 section 7.1."""
    return b"%x\r\n%b\r\n" % (len(block), block)


class StreamClient(ABC):
    """Serves one client from its request's head to its end."""

    __slots__ = ("_connection", "_ending", "_outbox", "_reading", "_services", "_stream")

    def __init__(self, stream: ByteStream, services: ClientServices, encoder: Encoder) -> None:
        self._stream = stream
        self._services = services
        self._outbox = Outbox(stream, services.spawn_writer, services.options.outbox)
        self._connection = Connection(
            services.router, self._outbox, encoder, self.close, services.options.subscriptions
        )
        self._reading: trio.CancelScope | None = None
        """Around the wait for the client's end, in a task."""
        self._ending = False
        """The client is gone, or is to go."""

    @abstractmethod
    async def _open(self, connection: Connection) -> bool:
        """Answers the request and subscribes. False where it was refused."""

    def _leave(self) -> None:  # noqa: B027  # most have nothing to clear away
        """The client is gone."""

    @property
    def last_received(self) -> float:
        return self._stream.last_received

    @property
    def answers(self) -> bool:
        return False

    def beat(self) -> None:
        self._outbox.put_nowait(chunk(HEARTBEAT))

    def close(self, code: CloseCode, reason: str) -> None:
        """Ends the stream; a client that wants to reconnects by itself, and learns then why it may not."""
        self._ending = True
        if self._reading is not None:
            self._reading.cancel()
        elif self._stream.berth is not None:
            self._stream.berth.wake()

    async def serve(self) -> None:
        """Returns when the client is gone, with everything of it cleared away; the socket itself is the caller's. Also
        returns when the client is parked on its stream's berth."""
        await self._go_on(self._open(self._connection))

    async def attend(self) -> None:
        """Goes on until the client is gone, with everything of it cleared away, or parked."""
        await self._go_on()

    def ready(self) -> Work | None:
        """A client has nothing more to say: what it sends is discarded until it closes."""
        try:
            data = self._stream.receive_nowait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data == b"":
            self._ending = True
            return self.attend
        return None

    @property
    def is_overdue(self) -> bool:
        return False

    def turn_away(self) -> None:
        self._outbox.put_nowait(_LAST_CHUNK)

    def abandon(self) -> None:
        """Clears away all of it but the socket."""
        self._leave()
        self._connection.detach()
        self._services.connections.remove(self._connection)
        if self._outbox.busy:
            # Its writer ends by that too.
            self._outbox.abort()

    async def _go_on(self, opening: Awaitable[bool] | None = None) -> None:
        parked = False
        try:
            if opening is None or await opening:
                if parked := self._park():
                    return
                await self._wait_until_gone()
                if (rest := self._connection.wind_up()) is not None:
                    await rest
                self._outbox.put_nowait(_LAST_CHUNK)
            with trio.move_on_after(self._services.options.close_seconds):
                await self._outbox.drain()
        finally:
            if not parked:
                self.abandon()

    def _park(self) -> bool:
        """Leaves the client on its berth, where it has one and is to stay."""
        berth = self._stream.berth
        return berth is not None and not self._ending and self._outbox.has_room and berth.park(self)

    async def _wait_until_gone(self) -> None:
        with trio.CancelScope() as self._reading:
            try:
                while not self._ending and await self._stream.receive_some():
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


@lru_cache(maxsize=64)
def stream_head(cors: tuple[tuple[str, str], ...]) -> bytes:
    """What accepts the GET of an event stream over HTTP/1.1: the same for every page of an origin."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(_ANY_GET)
    connection.next_event()
    headers = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
        # It carries no further request: its end is that of the client, or of the server.
        ("connection", "close"),
        *cors,
    ]
    return connection.send(h11.Response(status_code=200, headers=headers)) or b""


def stream_refusal(error: CallboardError, cors: tuple[tuple[str, str], ...]) -> bytes:
    """What refuses it."""
    retry_after = error.retry_after
    if retry_after is None and error.code.retry_helps:
        retry_after = _RETRY_SECONDS
    return error_reply(http_status(error.code), error.code, error.message, retry_after=retry_after, headers=cors)
