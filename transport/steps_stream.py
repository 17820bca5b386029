"""A client of the steps dialect over an event stream: it is told all, and asks by posts."""

from __future__ import annotations

from typing import NamedTuple

import trio

from actors.connection import Connection
from actors.errors import CallboardError, ErrorCode
from transport.byte_stream import ByteStream
from transport.connection_edge import Serving
from transport.dialects.steps_events import Message
from transport.head import RequestHead
from transport.http.origins import Origins
from transport.steps_desk import StepsClient, StepsDesk
from transport.stream_client import StreamClient, chunk, stream_head, stream_refusal

STEPS_STREAM_PATH = "/sse"


class StepsStreamDoor:
    """Lets in the clients of the steps over event streams."""

    def __init__(self, desk: StepsDesk, origins: Origins) -> None:
        self._desk = desk
        self._origins = origins

    def serves(self, head: RequestHead) -> bool:
        return head.path == STEPS_STREAM_PATH and head.http_version == "1.1"

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        cors = self._origins.response_headers(head.header("origin"))
        return StepsStream(stream, self._desk, _Request(head, cors)).serve


class _Request(NamedTuple):
    head: RequestHead
    cors: tuple[tuple[str, str], ...]


class StepsStream(StreamClient):
    """Serves one client from its request's head to its end."""

    __slots__ = ("_desk", "_known", "_request")

    def __init__(self, stream: ByteStream, desk: StepsDesk, request: _Request) -> None:
        super().__init__(stream, desk.services, desk.blocks)
        self._desk = desk
        self._request: _Request | None = request
        """Until it is answered."""
        self._known: StepsClient | None = None

    async def _open(self, connection: Connection) -> bool:
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("an event stream is served once")
        head = request.head
        try:
            connection.principal = await self._desk.identify(head, reads=True)
            known = self._known = self._desk.enter(connection.principal, self._say)
            last_event_id = head.header("last-event-id") or head.query("lastEventId")
            greeting, admission = self._desk.greet(known, connection, last_event_id)
        except CallboardError as error:
            self._outbox.put_nowait(stream_refusal(error, request.cors))
            return False
        # One step from the admission on: no event comes in between.
        self._services.connections.add(connection, self, trio.current_time())
        told = b"".join(chunk(message.block) for message in greeting)
        self._outbox.put_nowait(stream_head(request.cors) + told)
        connection.hold(admission)
        return True

    def _leave(self) -> None:
        if self._known is not None:
            self._desk.leave(self._known)

    def _say(self, message: Message) -> None:
        if not self._outbox.has_room:
            raise CallboardError(ErrorCode.BUSY, "the client reads too slowly", retry_after=1.0)
        self._outbox.put_nowait(chunk(message.block))
