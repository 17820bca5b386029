"""Hypercorn's HTTP behind streams of ours. The one module that knows Hypercorn's insides, those of 0.18.

It takes Hypercorn's protocols and drives them itself, where Hypercorn has its `TCPServer`: that one shields its writes
without a deadline, keeps a connection that its client closed until an idle timer runs out, and owns the socket.
An HTTP/1.1 exchange here is one request and its answer; what comes next on the connection is the caller's to decide.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio
from h2.events import DataReceived
from h2.events import Event as H2Event
from h2.settings import SettingCodes
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.h2 import H2Protocol
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import (
    ASGIFramework,
    ASGIReceiveCallable,
    ASGISendCallable,
    ASGISendEvent,
    ConnectionState,
    LifespanState,
    Scope,
)

from transport.asgi_request import RequestTasks
from transport.byte_stream import ByteStream
from transport.drain import Drain
from transport.head import RequestHead
from transport.listener_options import ListenerOptions
from transport.request_bytes import RequestBytes

_P = TypeVar("_P", H11Protocol, H2Protocol)
_PIECE_BYTES = 65_536
_LIFESPAN_SECONDS = 10.0
_log = logging.getLogger("callboard.http")


class HypercornHTTP:
    """Serves an ASGI application over HTTP/1.1, a request at a time, and over HTTP/2, a connection at a time."""

    def __init__(self, app: ASGIFramework, options: ListenerOptions, drain: Drain) -> None:
        self._app = app
        self._options = options
        self._drain = drain
        self._context = WorkerContext(max_requests=None)
        self._lifespan_state: LifespanState = {}
        self._startup_failed = False
        self._config = Config()
        self._config.errorlog = _log
        self._config.include_server_header = False
        self._config.h11_max_incomplete_size = options.head_bytes
        self._config.startup_timeout = _LIFESPAN_SECONDS
        self._config.shutdown_timeout = _LIFESPAN_SECONDS

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """The application's lifespan: ready once it has started; when cancelled it is told to shut down first."""
        lifespan = Lifespan(self._call, self._config, self._lifespan_state)
        async with trio.open_nursery() as nursery:
            application = await nursery.start(_run_lifespan, lifespan)
            try:
                await lifespan.wait_for_startup()
                if not self._startup_failed:
                    task_status.started()
                # After a failed start the application's error is on its way, and ends this wait.
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(_LIFESPAN_SECONDS, shield=True):
                    if not lifespan.shutdown.is_set():
                        await lifespan.wait_for_shutdown()
                application.cancel()

    async def drain(self) -> None:
        """Idle connections end now, the others after the answers under way."""
        await self._context.terminated.set()
        self._drain.begin()
        await trio.lowlevel.checkpoint()

    async def serve_request(self, stream: ByteStream, head: RequestHead) -> bool:
        """Answers one HTTP/1.1 request, of which `head` was read. True if the connection can carry another.

        The stream is left open. Cancelled, or with a client that takes no more bytes, it is aborted.
        """
        request = RequestBytes(stream, head)
        exchange = _Exchange(stream, request.receive, self._options.write_seconds)
        await exchange.run(lambda tasks: self._protocol(_Http11, stream, tasks, exchange.handle))
        return exchange.reusable and not self._drain.begun

    async def serve_http2(self, stream: ByteStream) -> None:
        """Serves a connection of HTTP/2 to its end, from the preface on. The stream is left open, or aborted."""
        exchange = _Http2Connection(stream, self._options, self._drain)
        await exchange.run(lambda tasks: self._protocol(_Http2, stream, tasks, exchange.handle))

    def _protocol(
        self, kind: Callable[..., _P], stream: ByteStream, tasks: RequestTasks, send: Callable[[Event], Awaitable[None]]
    ) -> _P:
        return kind(
            self._call,
            self._config,
            self._context,
            tasks,
            ConnectionState(self._lifespan_state.copy()),
            stream.secure,
            stream.peer,
            stream.local,
            send,
        )

    async def _call(
        self,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
        sync_spawn: Callable[..., object],
        call_soon: Callable[..., object],
    ) -> None:
        if scope["type"] == "lifespan":
            send = self._note_failed_startup(send)
        await self._app(scope, receive, send)

    def _note_failed_startup(self, send: ASGISendCallable) -> ASGISendCallable:
        async def noting(message: ASGISendEvent) -> None:
            self._startup_failed = self._startup_failed or message["type"] == "lifespan.startup.failed"
            await send(message)

        return noting


async def _run_lifespan(lifespan: Lifespan, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    # The application must be told to stop before it is cancelled. `run` ends this scope, within a deadline.
    with trio.CancelScope(shield=True) as scope:
        task_status.started(scope)
        await lifespan.handle_lifespan()


class _Http11(H11Protocol):
    async def _check_protocol(self, event: object) -> None:
        """Switches to nothing: an upgrade to HTTP/2 is optional to honour, and its preface does not come here."""


class _Http2(H2Protocol):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]  # passed on as they came
        # A browser that is told of extended CONNECT opens its WebSockets inside HTTP/2, past our WebSocket side.
        del self.connection.local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL]
        self._sending = trio.Lock()

    async def stream_send(self, event: StreamEvent) -> None:
        """As Hypercorn's, but a stream has ended on the wire before it is said to be closed.

        Hypercorn leaves the end to its sending task; while the server drains, GOAWAY overtakes it, after which h2 sends
        no END_STREAM any more, and the client takes a whole answer for a broken one.
        """
        if isinstance(event, StreamClosed):
            buffer = self.stream_buffers.get(event.stream_id)
            if buffer is not None and buffer.complete:
                await self._send_data(event.stream_id)
        await super().stream_send(event)

    async def _send_data(self, stream_id: int) -> None:
        async with self._sending:
            if stream_id in self.stream_buffers:
                await super()._send_data(stream_id)

    async def _handle_events(self, events: list[H2Event]) -> None:
        """As Hypercorn's, but body data that follows an early answer is dropped; there it ends the connection."""
        for event in events:
            if isinstance(event, DataReceived) and event.stream_id not in self.streams:
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            else:
                await super()._handle_events([event])
        await self._flush()


class _Exchange:
    """Moves bytes between a stream and one of Hypercorn's protocols until either is done."""

    def __init__(self, stream: ByteStream, receive: Callable[[], Awaitable[bytes]], write_seconds: float) -> None:
        self._stream = stream
        self._receive = receive
        self._write_seconds = write_seconds
        self._writing = trio.Lock()
        self._reading = trio.CancelScope()
        self._protocol: H11Protocol | H2Protocol
        self._broken = False
        self._ended = False
        self.reusable = False

    async def run(self, protocol: Callable[[RequestTasks], H11Protocol | H2Protocol]) -> None:
        async with trio.open_nursery() as guard:
            guard.start_soon(self._abort_when_cancelled)
            async with trio.open_nursery() as nursery:
                self._protocol = protocol(RequestTasks(nursery))
                await self._protocol.initiate()
                with self._reading:
                    await self._read()
                await self._protocol.handle(Closed())
            self._ended = True
            # It holds our `handle`: as a cycle both, and h11's connection, would wait for the garbage collector.
            del self._protocol
            guard.cancel_scope.cancel()

    async def handle(self, event: Event) -> None:
        """What Hypercorn's protocol wants done with the connection."""
        match event:
            case RawData():
                await self._write(event.data)
            case Updated():
                self._update(event.idle)
            case Closed():
                await self._end()
            case _:
                raise TypeError(f"Hypercorn sent {event!r}")

    def _update(self, idle: bool) -> None:
        if idle:
            # An answer is complete for Hypercorn also where its client was gone.
            self.reusable = not self._broken
            self._reading.cancel()

    async def _end(self) -> None:
        await self._protocol.handle(Closed())
        self._reading.cancel()

    async def _read(self) -> None:
        try:
            while data := await self._receive():
                await self._protocol.handle(RawData(data))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _write(self, data: bytes) -> None:
        if self._broken:
            await trio.lowlevel.checkpoint()
            return
        # A handler that is cancelled in the middle of a write would leave half a frame behind, on HTTP/2 for all.
        # The deadline is for progress: it moves on with every piece that the client takes.
        taken = False
        with trio.move_on_after(self._write_seconds, shield=True) as deadline:
            async with self._writing:
                taken = await self._write_pieces(data, deadline)
        if not taken:
            self._broken = True
            self._stream.abort()
            await self._end()

    async def _write_pieces(self, data: bytes, deadline: trio.CancelScope) -> bool:
        """False when the client is gone."""
        try:
            for start in range(0, len(data), _PIECE_BYTES):
                await self._stream.send_all(data[start : start + _PIECE_BYTES])
                deadline.deadline = trio.current_time() + self._write_seconds
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    async def _abort_when_cancelled(self) -> None:
        """Ends a shielded write at once when the connection is told to stop."""
        try:
            await trio.sleep_forever()
        finally:
            if not self._ended:
                self._stream.abort()


class _Http2Connection(_Exchange):
    """A connection of many exchanges: it ends when it was idle for too long, or idle when the server drains."""

    def __init__(self, stream: ByteStream, options: ListenerOptions, drain: Drain) -> None:
        super().__init__(stream, stream.receive_some, options.write_seconds)
        self._keep_alive_seconds = options.keep_alive_seconds
        self._drain = drain

    async def run(self, protocol: Callable[[RequestTasks], H11Protocol | H2Protocol]) -> None:
        self._update(idle=True)
        try:
            await super().run(protocol)
        finally:
            self._drain.remove(self._reading)

    def _update(self, idle: bool) -> None:
        if idle:
            self._reading.deadline = trio.current_time() + self._keep_alive_seconds
            self._drain.add(self._reading)
        else:
            self._reading.deadline = math.inf
            self._drain.remove(self._reading)
