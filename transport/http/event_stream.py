"""An event stream as a response of Quart: what HTTP/2 and HTTP/1.0 requests get, which pass through Hypercorn.

The bytes are those of the direct way over HTTP/1.1: the same connection, outbox and encoder, over a sink that Hypercorn
reads from as fast as its client's flow control lets it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol

import trio
from quart import Response
from quart.wrappers.response import ResponseBody

from actors.commands import Start
from actors.connection import Connection
from actors.connections import Connections
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.event import ChannelKey, Event
from actors.outbox import Outbox
from actors.position import Position
from actors.principal import Principal
from actors.router import Router
from actors.sink import BrokenSink
from actors.subscription import Encoder
from transport.dialects.gateway_events import HEARTBEAT, GatewayPayload, SseEncoder, sse_greeting
from transport.http.services import HttpOptions


class Telling(Protocol):
    """What one stream tells its reader. Made before the answer begins, where it may still be refused."""

    def begin(self) -> None:
        """The answer has begun: sends what comes first, and subscribes."""
        ...

    def end(self) -> None:
        """The reader is gone. Only what has begun ends."""
        ...


class EventStreams:
    """The streams that are open. Full-policy: beyond the limit a new one is refused as BUSY."""

    def __init__(self, router: Router, connections: Connections, options: HttpOptions) -> None:
        self._router = router
        self._connections = connections
        self._options = options
        self._encoder = SseEncoder(GatewayPayload())
        self._open: set[StreamBody] = set()

    def __len__(self) -> int:
        return len(self._open)

    def open(self, principal: Principal, key: ChannelKey, start: Start, snapshots: Mapping[str, Event]) -> Response:
        """A topic's. Raises CallboardError where the principal may not see it, or too many are open."""
        return self.tell(principal, self._encoder, lambda connection: TopicTelling(connection, key, start, snapshots))

    def tell(self, principal: Principal, encoder: Encoder, telling: Callable[[Connection], Telling]) -> Response:
        """`encoder` makes blocks of events. Raises CallboardError as `telling` does, or where too many are open."""
        if len(self._open) >= self._options.event_streams:
            message = f"{len(self._open)} event streams are open (event_streams)"
            raise CallboardError(ErrorCode.BUSY, message, retry_after=5.0)
        sink = PullSink(self._options.event_stream_bytes)
        body = StreamBody(sink, self._open, self._connections)
        outbox = Outbox(sink, body.spawn, self._options.outbox)
        connection = Connection(self._router, outbox, encoder, body.close, max_subscriptions=1)
        connection.principal = principal
        body.connect(connection, telling(connection))
        return _response(body)

    def head(self) -> Response:
        return _response(b"")


class TopicTelling:
    """The events of a topic."""

    def __init__(self, connection: Connection, key: ChannelKey, start: Start, snapshots: Mapping[str, Event]) -> None:
        self._connection = connection
        (self._admission,) = connection.admit(key.channel, {key.topic: start}, everything=False, snapshots=snapshots)

    def begin(self) -> None:
        connection, admission = self._connection, self._admission
        position = Position(admission.epoch, admission.start.offset)
        connection.outbox.put_nowait(sse_greeting(admission.key, position, recovered=admission.recovered))
        connection.enter(admission.key.channel, (admission,), everything=False)

    def end(self) -> None:
        """The connection lets go of its subscription."""


class PullSink:
    """A sink that a reader empties. It holds at most `capacity` bytes: one who writes more waits for the reader."""

    broadcast = None
    fileno = -1

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._buffer = bytearray()
        self._closed = False
        self._reader = trio.lowlevel.ParkingLot()
        self._writer = trio.lowlevel.ParkingLot()

    def write_nowait(self, data: bytes | memoryview) -> int:
        if self._closed:
            raise BrokenSink
        taken = min(self._capacity - len(self._buffer), len(data))
        if taken:
            self._buffer += data[:taken]
            self._reader.unpark_all()
        return taken

    async def write_all(self, data: bytes | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while rest := rest[self.write_nowait(rest) :]:
            await self._writer.park()

    async def read(self) -> bytes:
        """All that waits, or what comes next; nothing once the sink is closed."""
        await trio.lowlevel.checkpoint()
        while not self._buffer and not self._closed:
            await self._reader.park()
        data = bytes(self._buffer)
        self._buffer.clear()
        self._writer.unpark_all()
        return data

    def abort(self) -> None:
        self._closed = True
        self._buffer.clear()
        self._reader.unpark_all()
        self._writer.unpark_all()


class StreamBody(ResponseBody):
    """The body of one stream, and the peer of its connection.

    A class and no generator: its nursery opens and closes with the body, in the one task that sends it.
    """

    last_received = 0.0
    answers = False

    def __init__(self, sink: PullSink, open_bodies: set[StreamBody], connections: Connections) -> None:
        self._sink = sink
        self._open = open_bodies
        self._connections = connections
        self._stack = AsyncExitStack()
        self._nursery: trio.Nursery
        self._connection: Connection
        self._telling: Telling

    def connect(self, connection: Connection, telling: Telling) -> None:
        self._connection = connection
        self._telling = telling

    def spawn(self, run: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(run)

    def beat(self) -> None:
        self._connection.outbox.put_nowait(HEARTBEAT)

    def close(self, code: CloseCode, reason: str) -> None:
        """Ends the stream. An event stream has no close code: its client reconnects, and is then told by the status."""
        self._connection.outbox.abort()

    async def __aenter__(self) -> StreamBody:
        async with AsyncExitStack() as stack:
            self._nursery = await stack.enter_async_context(trio.open_nursery())
            stack.callback(self._leave)
            self._enter()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_value: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(exc_type, exc_value, tb)

    def __aiter__(self) -> StreamBody:
        return self

    async def __anext__(self) -> bytes:
        data = await self._sink.read()
        if not data:
            raise StopAsyncIteration
        return data

    def _enter(self) -> None:
        self._open.add(self)
        self._connections.add(self._connection, self, trio.current_time())
        self._telling.begin()

    def _leave(self) -> None:
        self._telling.end()
        self._connection.detach()
        self._connections.remove(self._connection)
        self._connection.outbox.abort()
        self._open.discard(self)
        self._nursery.cancel_scope.cancel()


def _response(body: StreamBody | bytes) -> Response:
    response = Response(body, 200, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    response.timeout = None
    return response
