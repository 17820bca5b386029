"""One accepted connection, from its first byte on: which request goes where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Protocol, TypeAlias, assert_never

import trio

from actors.errors import ErrorCode
from transport.berth import Berth, Guest
from transport.byte_stream import ByteStream
from transport.drain import Drain
from transport.head import BadHead, EndOfStream, HeadFault, Http2Preface, RequestHead, read_head
from transport.http_error import error_reply
from transport.hypercorn_adapter import HypercornHTTP
from transport.listener_options import ListenerOptions
from transport.listener_statistics import Tally
from transport.newcomer import Newcomer

Serving: TypeAlias = Callable[[], Awaitable[None]]


class Handlers(Protocol):
    """Who serves what does not go through the HTTP server.

    Both get a stream that stands right behind the head; one that wants the head again calls `stream.unread(head.raw)`.
    They return what serves the connection, which ends with it: it may last for days, and should not keep the head.
    """

    def is_event_stream(self, head: RequestHead) -> bool:
        """Whether a GET asks for an event stream that `events` answers."""
        ...

    def events(self, stream: ByteStream, head: RequestHead) -> Serving:
        """Answers a GET of an event stream, from the status line on."""
        ...

    def websocket(self, stream: ByteStream, head: RequestHead) -> Serving:
        """Answers a WebSocket upgrade, a refused one too."""
        ...


class ConnectionEdge:
    """Serves connections, each until it ends."""

    def __init__(
        self, options: ListenerOptions, handlers: Handlers, http: HypercornHTTP, drain: Drain, tally: Tally
    ) -> None:
        self._options = options
        self._handlers = handlers
        self._http = http
        self._drain = drain
        self._tally = tally

    def welcome(self, stream: ByteStream, berth: Berth) -> Guest:
        """Who waits for the first request of a connection that needs no task for that."""
        return Newcomer(stream, berth, self._options, self._drain, self.serve, self._handlers.websocket)

    async def serve(self, stream: ByteStream) -> None:
        """Returns with the stream closed, or parked on its berth.

        It is not closed after an exception: those are the caller's to contain.
        """
        if stream.application_protocol == "h2":
            await self._http.serve_http2(stream)
        elif serving := await self._serve_requests(stream):
            await serving()
            if stream.berth is not None and stream.berth.parked:
                return
        await stream.linger(self._options.linger_seconds)

    async def _serve_requests(self, stream: ByteStream) -> Serving | None:
        """Answers plain requests until the connection ends, or returns what serves it from then on.

        That is awaited by the caller, so that an idle client holds neither its request nor these calls.
        """
        patience = self._options.head_seconds
        while begun := await self._another_request(stream, patience):
            head = await read_head(stream, self._options.head_bytes, self._options.head_seconds, begun)
            match head:
                case RequestHead():
                    if (lasting := self._lasting(head)) is not None:
                        if not self._drain.begun:
                            return lasting(stream, head)
                        # It comes too late to be told with the others that the server restarts.
                        await self._refuse(
                            stream, HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.BUSY, "The server is stopping."
                        )
                        return None
                    if not await self._serve_request(stream, head):
                        return None
                case Http2Preface():
                    await self._http.serve_http2(stream)
                    return None
                case BadHead():
                    self._tally.bad_head(head.fault)
                    await self._refuse(stream, *_reply_to(head.fault), head.message)
                    return None
                case EndOfStream():
                    return None
                case _:
                    assert_never(head)
            patience = self._options.keep_alive_seconds
        return None

    def _lasting(self, head: RequestHead) -> Callable[[ByteStream, RequestHead], Serving] | None:
        """What serves a connection from this request on to its end, if it asks for that."""
        if head.wants_websocket:
            return self._handlers.websocket
        if head.method == "GET" and self._handlers.is_event_stream(head):
            return self._handlers.events
        return None

    async def _another_request(self, stream: ByteStream, seconds: float) -> bytes:
        """The first bytes of a request. None of them when it does not come, or the server drains first.

        Bytes that are there already are returned without a checkpoint.
        """
        try:
            if not self._drain.begun and (begun := stream.receive_nowait()) is not None:
                return begun
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""
        with trio.CancelScope(deadline=trio.current_time() + seconds) as scope:
            self._drain.add(scope)
            try:
                return await stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return b""
            finally:
                self._drain.remove(scope)
        return b""

    async def _serve_request(self, stream: ByteStream, head: RequestHead) -> bool:
        """True if the connection can carry another request."""
        if (head.content_length or 0) > self._options.body_bytes:
            # Refused here, before `Expect: 100-continue` invites the body.
            message = f"The request body exceeds {self._options.body_bytes} bytes."
            await self._refuse(stream, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ErrorCode.TOO_LARGE, message)
            return False
        return await self._http.serve_request(stream, head)

    async def _refuse(self, stream: ByteStream, status: HTTPStatus, code: ErrorCode, message: str) -> None:
        with trio.move_on_after(self._options.linger_seconds):
            try:
                await stream.send_all(error_reply(status, code, message))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return


def _reply_to(fault: HeadFault) -> tuple[HTTPStatus, ErrorCode]:
    match fault:
        case HeadFault.MALFORMED | HeadFault.TRUNCATED:
            return HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_PAYLOAD
        case HeadFault.TOO_LARGE:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, ErrorCode.TOO_LARGE
        case HeadFault.TIMEOUT:
            return HTTPStatus.REQUEST_TIMEOUT, ErrorCode.TIMEOUT
        case _:
            assert_never(fault)
