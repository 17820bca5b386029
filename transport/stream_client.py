"""The shell of every client of an event stream over HTTP/1.1, whatever it is told: only the framing differs from a
WebSocket."""

from __future__ import annotations

from abc import ABC, abstractmethod

import h11
import trio

from actors.connection import Connection
from actors.errors import CallboardError, CloseCode
from actors.outbox import Outbox
from actors.subscription import Encoder
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.dialects.gateway_events import HEARTBEAT
from transport.head import RequestHead
from transport.http_error import error_reply, http_status

_LAST_CHUNK = b"0\r\n\r\n"
_RETRY_SECONDS = 1.0
"""What a client is told where it may try again and nothing says when."""


def chunk(block: bytes) -> bytes:
    """RFC 9112 section 7.1."""
    return b"%x\r\n%b\r\n" % (len(block), block)


class StreamClient(ABC):
    """Serves one client from its request's head to its end."""

    __slots__ = ("_encoder", "_outbox", "_reading", "_services", "_stream")

    def __init__(self, stream: ByteStream, services: ClientServices, encoder: Encoder) -> None:
        self._stream = stream
        self._services = services
        self._encoder = encoder
        self._reading = trio.CancelScope()

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
        self._reading.cancel()

    async def serve(self) -> None:
        """Returns when the client is gone, with everything of it cleared away; the socket itself is the caller's."""
        services = self._services
        self._outbox = Outbox(self._stream, services.spawn_writer, services.options.outbox)
        connection = Connection(
            services.router, self._outbox, self._encoder, self.close, services.options.subscriptions
        )
        try:
            if await self._open(connection):
                await self._wait_until_gone()
                if (rest := connection.wind_up()) is not None:
                    await rest
                self._outbox.put_nowait(_LAST_CHUNK)
            with trio.move_on_after(services.options.close_seconds):
                await self._outbox.drain()
        finally:
            self._leave()
            connection.detach()
            services.connections.remove(connection)
            if self._outbox.busy:
                # Its writer ends by that too.
                self._outbox.abort()

    async def _wait_until_gone(self) -> None:
        """A client has nothing more to say: what it sends is discarded until it closes."""
        with self._reading:
            try:
                while await self._stream.receive_some():
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


def stream_head(head: RequestHead, cors: tuple[tuple[str, str], ...]) -> bytes:
    """What accepts the request."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head.raw)
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
