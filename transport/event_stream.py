"""One client of an event stream over HTTP/1.1, written to directly: only the framing differs from a WebSocket."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import trio

from actors.admission import Admission
from actors.commands import Start
from actors.connection import Connection
from actors.errors import CallboardError, ErrorCode
from actors.event import Event
from actors.position import Position
from actors.principal import Principal
from actors.subscription import Encoder
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.connection_edge import Serving
from transport.credentials import Authenticator, Credentials
from transport.dialects.gateway_events import sse_greeting
from transport.head import RequestHead
from transport.http.origins import Origins
from transport.stream_client import StreamClient, chunk, stream_head, stream_refusal

_PATH = re.compile(r"/api/v1/channels/([^/]+)/([^/]+)/events")


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


def start_of(head: RequestHead) -> Start:
    """Where a stream begins. `Last-Event-ID` goes before `?since=`: a client that reconnects keeps its URL.

    Raises CallboardError INVALID_PAYLOAD.
    """
    since = head.header("last-event-id") or head.query("since")
    if not since:
        return "live"
    return "oldest" if since == "0" else Position.parse(since)


def wants_snapshot(head: RequestHead) -> bool:
    """Raises CallboardError INVALID_PAYLOAD."""
    match head.query("snapshot"):
        case None | "" | "0" | "false":
            return False
        case "1" | "true":
            return True
        case _:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "`snapshot` is 1 or 0")


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


class EventStream(StreamClient):
    """Serves one reader of a topic."""

    __slots__ = ("_request",)

    def __init__(
        self, stream: ByteStream, services: ClientServices, origins: Origins, head: RequestHead, path: StreamPath
    ) -> None:
        super().__init__(stream, services, services.gateway_blocks)
        self._request: _Request | None = _Request(head, path, origins.response_headers(head.header("origin")))
        """Until it is answered: it is larger than all that an idle client needs."""

    async def _open(self, connection: Connection) -> bool:
        """Answers the request. False where it was refused."""
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("an event stream is served once")
        try:
            connection.principal = await self._identify(request.head)
            admission = await self._admit(connection, request)
        except CallboardError as error:
            self._outbox.put_nowait(stream_refusal(error, request.cors))
            return False
        # One step from the admission on: no event comes in between.
        self._services.connections.add(connection, self, trio.current_time())
        self._outbox.put_nowait(stream_head(request.cors) + chunk(_greeting(admission)))
        connection.enter(request.path.channel, (admission,), everything=False)
        return True

    async def _admit(self, connection: Connection, request: _Request) -> Admission:
        """Nothing comes between the snapshot and the admission that it is for."""
        path, start = request.path, start_of(request.head)
        admission = _admit(connection, path, start)
        if wants_snapshot(request.head) and connection.principal is not None:
            router = self._services.router
            snapshots = await router.snapshots_of(connection.principal, path.channel, (path.topic,))
            admission = _admit(connection, path, start, snapshots)
        return admission

    async def _identify(self, head: RequestHead) -> Principal:
        services = self._services
        authenticator = Authenticator(services.verifier, services.tickets, auth_required=services.options.auth_required)
        shown = Credentials(
            authorization=head.header("authorization"),
            access_token=head.query("access_token"),
            ticket=head.query("ticket"),
        )
        return await authenticator.identify(shown, reads=True)


def _admit(
    connection: Connection, path: StreamPath, start: Start, snapshots: Mapping[str, Event] | None = None
) -> Admission:
    try:
        (admission,) = connection.admit(path.channel, {path.topic: start}, everything=False, snapshots=snapshots)
    except CallboardError as error:
        # In a path, a name that cannot be is one that is not there.
        if error.code in (ErrorCode.INVALID_CHANNEL, ErrorCode.INVALID_PAYLOAD):
            raise CallboardError(ErrorCode.NOT_FOUND, error.message) from error
        raise
    return admission


def _greeting(admission: Admission) -> bytes:
    position = Position(admission.epoch, admission.start.offset)
    return sse_greeting(admission.key, position, recovered=admission.recovered)
