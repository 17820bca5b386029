"""One client of an event stream over HTTP/1.1, written to directly: only the framing differs from a WebSocket."""

from __future__ import annotations

import re
from typing import NamedTuple

import h11
import trio

from actors.commands import Start
from actors.connection import Admission, Connection
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.event import Event
from actors.outbox import Encoder, Outbox
from actors.position import Position
from actors.principal import ANONYMOUS, Principal
from transport.byte_stream import ByteStream
from transport.dialects.gateway_events import HEARTBEAT, sse_greeting
from transport.gateway_services import GatewayServices
from transport.head import RequestHead
from transport.http_error import error_reply, http_status

_PATH = re.compile(r"/api/v1/channels/([^/]+)/([^/]+)/events")
_LAST_CHUNK = b"0\r\n\r\n"


class StreamPath(NamedTuple):
    channel: str
    topic: str


def stream_path(head: RequestHead) -> StreamPath | None:
    """Which topic's event stream a GET asks for, if it asks for one.

    HTTP/1.0 has no chunks: such a client is served by the application, in the slower way.
    """
    found = _PATH.fullmatch(head.path)
    return None if found is None or head.http_version != "1.1" else StreamPath(found[1], found[2])


class ChunkedEncoder:
    """Blocks of an event stream, each as one chunk of HTTP/1.1: the same bytes for every client."""

    __slots__ = ("_blocks",)

    def __init__(self, blocks: Encoder) -> None:
        self._blocks = blocks

    def encode(self, event: Event) -> bytes:
        return chunk(self._blocks.encode(event))


def chunk(block: bytes) -> bytes:
    """RFC 9112 section 7.1."""
    return b"%x\r\n%b\r\n" % (len(block), block)


def start_of(head: RequestHead) -> Start:
    """Where a stream begins. `Last-Event-ID` goes before `?since=`: a client that reconnects keeps its URL.

    Raises CallboardError INVALID_PAYLOAD.
    """
    since = head.header("last-event-id") or head.query("since")
    if not since:
        return "live"
    return "oldest" if since == "0" else Position.parse(since)


class EventStream:
    """Serves one client from its request's head to its end."""

    def __init__(self, stream: ByteStream, services: GatewayServices) -> None:
        self._stream = stream
        self._services = services
        self._reading = trio.CancelScope()

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

    async def serve(self, head: RequestHead, path: StreamPath) -> None:
        """Returns when the client is gone, with everything of it cleared away; the socket itself is the caller's."""
        async with trio.open_nursery() as nursery:
            self._outbox = Outbox(self._stream, nursery.start_soon, self._services.options.outbox)
            services = self._services
            connection = Connection(
                services.router, self._outbox, services.stream_encoder, self.close, services.options.subscriptions
            )
            try:
                await self._serve(connection, head, path)
            finally:
                connection.detach()
                services.connections.remove(connection)
                if self._outbox.busy:
                    self._outbox.abort()
            nursery.cancel_scope.cancel()

    async def _serve(self, connection: Connection, head: RequestHead, path: StreamPath) -> None:
        try:
            principal = await self._authenticate(head)
            connection.principal = principal
            (admission,) = connection.admit(path.channel, {path.topic: start_of(head)}, everything=False)
        except CallboardError as error:
            await self._outbox.put(_refusal(error))
        else:
            self._services.connections.add(connection, self, trio.current_time())
            await self._outbox.put(_response_head(head) + chunk(_greeting(admission)))
            connection.enter(path.channel, (admission,), everything=False)
            await self._wait_until_gone()
            connection.detach()
            self._outbox.put_nowait(_LAST_CHUNK)
        with trio.move_on_after(self._services.options.close_seconds):
            await self._outbox.drain()

    async def _wait_until_gone(self) -> None:
        """A client has nothing more to say: what it sends is discarded until it closes."""
        with self._reading:
            try:
                while await self._stream.receive_some():
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _authenticate(self, head: RequestHead) -> Principal:
        scheme, _, bearer = (head.header("authorization") or "").partition(" ")
        token = bearer.strip() if scheme.lower() == "bearer" else head.query("access_token")
        if token:
            return await self._services.verifier.verify(token)
        ticket = head.query("ticket")
        await trio.lowlevel.checkpoint()
        if ticket:
            return self._services.tickets.redeem(ticket)
        if self._services.options.auth_required or scheme:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "a bearer token, an access_token or a ticket is needed")
        return ANONYMOUS


def _greeting(admission: Admission) -> bytes:
    position = Position(admission.epoch, admission.start.offset)
    return sse_greeting(admission.key, position, recovered=admission.recovered)


def _response_head(head: RequestHead) -> bytes:
    """The status line and headers, in chunks for HTTP/1.1; h11 decides which it is."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head.raw)
    connection.next_event()
    headers = [
        ("content-type", "text/event-stream; charset=utf-8"),
        ("cache-control", "no-cache, no-transform"),
        ("x-accel-buffering", "no"),
        ("transfer-encoding", "chunked"),
    ]
    return connection.send(h11.Response(status_code=200, headers=headers)) or b""


def _refusal(error: CallboardError) -> bytes:
    return error_reply(http_status(error.code), error.code, error.message, retry_after=error.retry_after)
