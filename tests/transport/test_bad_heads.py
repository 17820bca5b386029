"""Requests that never become one: each gets a typed answer, or none where nobody is left to read it."""

from __future__ import annotations

import socket

import msgspec
import pytest
import trio

from tests.transport.client import Reply
from tests.transport.server import OPTIONS, Server, start_server

IMPATIENT = msgspec.structs.replace(OPTIONS, head_seconds=0.05)


def error_code(reply: Reply) -> str:
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["connection"] == "close"
    code: str = msgspec.json.decode(reply.body)["error"]["code"]
    return code


async def assert_still_serving(server: Server) -> None:
    client = await server.connect()
    assert (await client.get()).status == 200
    assert server.listener.statistics().crashed == 0


async def test_half_a_head_times_out_with_408(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, IMPATIENT)
    client = await server.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: te")
    reply = await client.reply()
    assert (reply.status, error_code(reply)) == (408, "TIMEOUT")
    assert await client.rest() == b""
    assert server.listener.statistics().bad_heads["timeout"] == 1
    await assert_still_serving(server)


async def test_a_silent_connection_is_closed_without_a_word(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, IMPATIENT)
    client = await server.connect()
    assert await client.rest() == b""
    assert set(server.listener.statistics().bad_heads.values()) == {0}


async def test_half_a_head_and_the_end_of_the_stream(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: te")
    assert isinstance(client.stream, trio.SocketStream)
    await client.stream.send_eof()
    assert (await client.reply()).status == 400
    assert server.listener.statistics().bad_heads["truncated"] == 1
    await assert_still_serving(server)


async def test_half_a_head_and_a_reset(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: te")
    assert isinstance(client.stream, trio.SocketStream)
    client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    await client.close()
    await assert_still_serving(server)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET not-a-path HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nContent-Length: many\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: test\r\nna me: value\r\n\r\n",
        "GET /ä HTTP/1.1\r\nHost: test\r\n\r\n".encode(),
    ],
)
async def test_garbage_gets_400(nursery: trio.Nursery, garbage: bytes) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(garbage)
    reply = await client.reply()
    assert (reply.status, error_code(reply)) == (400, "INVALID_PAYLOAD")
    assert await client.rest() == b""
    assert server.listener.statistics().bad_heads["malformed"] == 1
    await assert_still_serving(server)


async def test_garbage_after_a_request(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    assert (await client.get()).status == 200
    await client.send(b"\x00\x01\x02 nonsense\r\n\r\n")
    assert (await client.reply()).status == 400
    assert await client.rest() == b""


@pytest.mark.parametrize("size", [OPTIONS.head_bytes, 1_000_000])
async def test_a_large_head_gets_431(nursery: trio.Nursery, size: int) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    # The reply must reach a client that is still sending.
    await client.send(b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * size + b"\r\n\r\n")
    reply = await client.reply()
    assert (reply.status, error_code(reply)) == (431, "TOO_LARGE")
    assert await client.rest() == b""
    assert server.listener.statistics().bad_heads["too_large"] == 1


async def test_a_broken_chunk_ends_only_its_connection(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    assert (await client.reply()).status == 400
    assert await client.rest() == b""
    await assert_still_serving(server)
