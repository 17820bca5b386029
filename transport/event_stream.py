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
from actors.principal import Principal
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.connection_edge import Serving
from transport.credentials import Authenticator, Credentials
from transport.dialects.gateway_events import HEARTBEAT, sse_greeting
from transport.head import RequestHead
from transport.http.origins import Origins
from transport.http_error import error_reply, http_status

_PATH = re.compile(r"/api/v1/channels/([^/]+)/([^/]+)/events")
_LAST_CHUNK = b"0\r\n\r\n"
_RETRY_SECONDS = 1.0
"""What a client is told where it may try again and nothing says when."""


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


class _Request(NamedTuple):
    head: RequestHead
    path: StreamPath
    cors: tuple[tuple[str, str], ...]


class EventStreamDoor:
    """Lets in the readers of topics."""

    def __init__(self, services: ClientServices, origins: Origins) -> None:
        self._services = services
        self._origins = origins

    def serves(self, head: RequestHead) -> bool:
        return stream_path(head) is not None

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        path = stream_path(head)
        if path is None:
            raise ValueError(f"{head.path} is no event stream")
        return EventStream(stream, self._services, self._origins, head, path).serve


class EventStream:
    """Serves one client from its request's head to its end."""

    __slots__ = ("_outbox", "_reading", "_request", "_services", "_stream")

    def __init__(
        self, stream: ByteStream, services: ClientServices, origins: Origins, head: RequestHead, path: StreamPath
    ) -> None:
        self._stream = stream
        self._services = services
        self._request: _Request | None = _Request(head, path, origins.response_headers(head.header("origin")))
        """Until it is answered: it is larger than all that an idle client needs."""
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

    async def serve(self) -> None:
        """Returns when the client is gone, with everything of it cleared away; the socket itself is the caller's."""
        services = self._services
        self._outbox = Outbox(self._stream, services.spawn_writer, services.options.outbox)
        connection = Connection(
            services.router, self._outbox, services.gateway_blocks, self.close, services.options.subscriptions
        )
        try:
            if await self._open(connection):
                await self._wait_until_gone()
                connection.detach()
                self._outbox.put_nowait(_LAST_CHUNK)
            with trio.move_on_after(services.options.close_seconds):
                await self._outbox.drain()
        finally:
            connection.detach()
            services.connections.remove(connection)
            if self._outbox.busy:
                # Its writer ends by that too.
                self._outbox.abort()

    async def _open(self, connection: Connection) -> bool:
        """Answers the request. False where it was refused."""
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("an event stream is served once")
        try:
            connection.principal = await self._identify(request.head)
            admission = _admit(connection, request.path, start_of(request.head))
        except CallboardError as error:
            self._outbox.put_nowait(_refusal(error, request.cors))
            return False
        # One step from the admission on: no event comes in between.
        self._services.connections.add(connection, self, trio.current_time())
        self._outbox.put_nowait(_response_head(request.head, request.cors) + chunk(_greeting(admission)))
        connection.enter(request.path.channel, (admission,), everything=False)
        return True

    async def _wait_until_gone(self) -> None:
        """A client has nothing more to say: what it sends is discarded until it closes."""
        with self._reading:
            try:
                while await self._stream.receive_some():
                    pass
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _identify(self, head: RequestHead) -> Principal:
        services = self._services
        authenticator = Authenticator(services.verifier, services.tickets, auth_required=services.options.auth_required)
        shown = Credentials(
            authorization=head.header("authorization"),
            access_token=head.query("access_token"),
            ticket=head.query("ticket"),
        )
        return await authenticator.identify(shown, reads=True)


def _admit(connection: Connection, path: StreamPath, start: Start) -> Admission:
    try:
        (admission,) = connection.admit(path.channel, {path.topic: start}, everything=False)
    except CallboardError as error:
        # In a path, a name that cannot be is one that is not there.
        if error.code in (ErrorCode.INVALID_CHANNEL, ErrorCode.INVALID_PAYLOAD):
            raise CallboardError(ErrorCode.NOT_FOUND, error.message) from error
        raise
    return admission


def _greeting(admission: Admission) -> bytes:
    position = Position(admission.epoch, admission.start.offset)
    return sse_greeting(admission.key, position, recovered=admission.recovered)


def _response_head(head: RequestHead, cors: tuple[tuple[str, str], ...]) -> bytes:
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


def _refusal(error: CallboardError, cors: tuple[tuple[str, str], ...]) -> bytes:
    retry_after = error.retry_after
    if retry_after is None and error.code.retry_helps:
        retry_after = _RETRY_SECONDS
    return error_reply(http_status(error.code), error.code, error.message, retry_after=retry_after, headers=cors)
