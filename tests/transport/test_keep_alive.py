"""Ordinary requests on one connection, and what may follow them there."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec
import pytest
import trio
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from tests.transport.scripted_stream import ScriptedStream
from tests.transport.server import EVENTS, OPTIONS, SWITCHING, start_server
from transport.byte_stream import Address
from transport.head import RequestHead, read_head

UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
EVENT_GET = b"GET /events HTTP/1.1\r\nHost: test\r\nAccept: text/event-stream\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nchun\r\n3\r\nked\r\n0\r\n\r\n"


async def test_many_requests_share_a_connection(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    for _ in range(3):
        reply = await client.get()
        assert (reply.status, reply.body) == (200, b"hello")
    assert server.listener.statistics().accepted == 1


async def test_pipelined_gets_are_answered_in_order(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    missing = b"GET /missing HTTP/1.1\r\nHost: test\r\n\r\n"
    await client.send(GET + missing + GET)
    assert [(await client.reply()).status for _ in range(3)] == [200, 404, 200]


class Gone(ScriptedStream):
    """A client that has sent its requests and leaves after so many pieces. What is aborted has no address any more."""

    __slots__ = ("closed", "pieces")

    def __init__(self, chunks: Iterable[bytes], pieces: int) -> None:
        super().__init__(chunks)
        self.pieces = pieces
        self.closed = False

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self.pieces -= 1
        if self.pieces < 0:
            raise trio.BrokenResourceError("reset")

    def abort(self) -> None:
        super().abort()
        self.closed = True

    @property
    def local(self) -> Address:
        if self.closed:
            raise trio.ClosedResourceError("aborted")
        return super().local


@pytest.mark.parametrize("pieces", range(2))
async def test_one_who_leaves_amid_pipelined_requests_is_no_failure(nursery: trio.Nursery, pieces: int) -> None:
    server = await start_server(nursery)
    stream = Gone([GET * 3], pieces)
    head = await read_head(stream, OPTIONS.head_bytes, OPTIONS.head_seconds)
    assert isinstance(head, RequestHead)
    assert not await server.http.serve_request(stream, head)
    assert stream.closed


@pytest.mark.parametrize("first", [GET, CHUNKED], ids=["get", "chunked"])
@pytest.mark.parametrize("pipelined", [True, False])
async def test_an_upgrade_follows_a_request(nursery: trio.Nursery, first: bytes, pipelined: bool) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(first + UPGRADE + b"early" if pipelined else first)
    assert (await client.reply()).status == 200
    if not pipelined:
        await client.send(UPGRADE + b"early")
    assert await client.exactly(len(SWITCHING)) == SWITCHING
    assert await client.exactly(5) == b"early"
    assert server.handlers.heads[0].raw == UPGRADE


async def test_an_event_stream_follows_a_request(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    assert (await client.get()).status == 200
    await client.send(EVENT_GET)
    assert await client.rest() == EVENTS


async def test_the_first_request_may_be_an_upgrade_with_bytes_behind_it(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(UPGRADE + b"x")
    assert await client.exactly(len(SWITCHING) + 1) == SWITCHING + b"x"
    await client.send(b"yz")
    assert await client.exactly(2) == b"yz"


async def test_a_body_is_not_mistaken_for_a_request(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(UPGRADE) + UPGRADE + GET)
    assert (await client.reply()).body == UPGRADE
    assert (await client.reply()).body == b"hello"
    assert server.handlers.heads == []


async def test_a_chunked_body_in_pieces(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    for position in range(len(CHUNKED)):
        await client.send(CHUNKED[position : position + 1])
    assert (await client.reply()).body == b"chunked"
    assert (await client.get()).body == b"hello"


async def test_expect_100_continue(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert (await client.exactly(12)) == b"HTTP/1.1 100"
    await client.send(b"body")
    assert b"\r\n\r\nHTTP/1.1 200" in await client.exactly(60)


async def test_a_declared_body_over_the_limit_is_refused_before_it_is_sent(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    size = OPTIONS.body_bytes + 1
    await client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % size)
    reply = await client.reply()
    assert (reply.status, reply.informational) == (413, ())
    assert msgspec.json.decode(reply.body)["error"]["code"] == "TOO_LARGE"
    assert await client.rest() == b""


async def test_a_chunked_body_over_the_limit_is_refused(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    await client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 20)
    assert (await client.reply()).status == 413
    assert await client.rest() == b""


async def test_connection_close_is_honoured(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    assert (await client.get(headers="Connection: close\r\n")).status == 200
    assert await client.rest() == b""


async def test_http_1_0_is_answered_and_closed(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(b"GET / HTTP/1.0\r\n\r\n")
    reply = await client.reply()
    assert (reply.status, reply.body) == (200, b"hello")
    assert await client.rest() == b""


@pytest.mark.parametrize("by_client", [True, False])
async def test_an_idle_connection_ends_without_a_sound(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, by_client: bool
) -> None:
    messages: list[str] = []
    ended = trio.Event()

    async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        """Notes what it is told until its answer is on its way, as a framework that watches for a disconnect does."""
        if scope["type"] != "http":
            raise RuntimeError("no lifespan")

        async def watch() -> None:
            while True:
                message = await receive()
                messages.append("late" if ended.is_set() else message["type"])
                if message["type"] == "http.disconnect":
                    return

        async with trio.open_nursery() as request:
            request.start_soon(watch)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok", "more_body": False})
            ended.set()
            request.cancel_scope.cancel()

    options = msgspec.structs.replace(OPTIONS, keep_alive_seconds=5 if by_client else 0.05)
    server = await start_server(nursery, options, app)
    caplog.clear()
    client = await server.connect()
    assert (await client.get()).body == b"ok"
    if by_client:
        await client.close()
    else:
        assert await client.rest() == b""
    other = await server.connect()
    assert (await other.get()).body == b"ok"
    assert "http.disconnect" not in messages
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert server.listener.statistics().crashed == 0
