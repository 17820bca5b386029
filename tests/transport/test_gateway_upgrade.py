"""Upgrades to the gateway's socket: a bad one gets an HTTP answer, and nothing hangs."""

from __future__ import annotations

import msgspec
import pytest
import trio

from tests.support.gateway import Gateway
from tests.support.raw_websocket import KEY, UPGRADE, RawWebSocket, text_frame
from tests.transport.bystander import disturbed_gateway
from tests.transport.client import Client, Reply
from transport.client_services import ClientOptions

OPEN = ClientOptions(auth_required=False, cors_origins=("https://page.example",))


async def answer(gateway: Gateway, request: bytes) -> Reply:
    """The whole answer, after which the server closes."""
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        await client.send(request)
        reply = await client.reply()
        if reply.headers.get("connection") == "close":
            assert await client.rest() == b""
        return reply


def changed(old: str, new: str) -> bytes:
    assert old.encode() in UPGRADE
    return UPGRADE.replace(old.encode(), new.encode("latin-1"))


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (changed(f"Sec-WebSocket-Key: {KEY}\r\n", ""), 400),
        (changed(KEY, "c2hvcnQ="), 400),
        (changed(KEY, "not base64, not even close"), 400),
        (changed(KEY, "\xe9" * 24), 400),
        (changed("Sec-WebSocket-Version: 13\r\n", ""), 426),
        (changed("Version: 13", "Version: 8"), 426),
        (changed("HTTP/1.1", "HTTP/1.0"), 400),
        (changed("Host: test\r\n", "Host: test\r\nContent-Length: 2\r\n") + b"{}", 400),
        (changed("Host: test\r\n", "Host: test\r\nTransfer-Encoding: chunked\r\n"), 400),
        (changed("/gateway/ws", "/gateway/nowhere"), 404),
        (changed("GET", "POST"), 404),
        (changed("Upgrade: websocket\r\n", ""), 404),
        (changed("Connection: Upgrade\r\n", ""), 404),
    ],
)
async def test_a_bad_upgrade_gets_an_answer(
    caplog: pytest.LogCaptureFixture, request_bytes: bytes, status: int
) -> None:
    async with disturbed_gateway(caplog) as gateway:
        reply = await answer(gateway, request_bytes)
        assert reply.status == status
        assert reply.headers["content-type"] == "application/json"
        assert msgspec.json.decode(reply.body)["error"].keys() == {"code", "message"}
        if status == 426:
            assert reply.headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize("header", ["Host: \xff", "Host: xn--a", "Sec-WebSocket-Protocol: \xe4", "Cookie: \xff=\x80"])
async def test_headers_that_are_no_ascii_do_no_harm(caplog: pytest.LogCaptureFixture, header: str) -> None:
    old = "Host: test\r\n" if header.startswith("Host") else "Connection: Upgrade\r\n"
    keep = "" if header.startswith("Host") else old
    async with disturbed_gateway(caplog) as gateway, await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        await client.send(changed(old, f"{header}\r\n{keep}"))
        assert (await client.exactly(13)) == b"HTTP/1.1 101 "


async def test_frames_right_behind_the_upgrade_are_not_lost(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway:
        auth = text_frame({"id": "a", "type": "auth", "payload": {"token": "alice"}})
        async with await RawWebSocket.open(
            gateway.port, behind=auth + text_frame({"id": "p", "type": "ping"})
        ) as client:
            assert [(await client.reply())["id"] for _ in range(2)] == ["a", "p"]


@pytest.mark.parametrize("behind", [b"\x00", b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", b"\r\n"])
async def test_bytes_right_behind_the_upgrade_that_are_no_frame(
    caplog: pytest.LogCaptureFixture, behind: bytes
) -> None:
    async with (
        disturbed_gateway(caplog) as gateway,
        await RawWebSocket.open(gateway.port, behind=behind + bytes(64)) as client,
    ):
        assert await client.closing() == 1002


async def test_an_upgrade_in_two_packets(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        ping = text_frame({"id": 1, "type": "ping"})
        half = len(UPGRADE) // 2
        await client.send(UPGRADE[:half])
        await client.send(UPGRADE[half:] + ping[:3])
        await client.send(ping[3:])
        assert (await client.exactly(13)) == b"HTTP/1.1 101 "


async def test_a_head_larger_than_one_read_is_followed_by_frames(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        large = changed("Host: test\r\n", f"Host: test\r\nCookie: {'c' * 9000}\r\n")
        await client.send(large + text_frame({"id": 1, "type": "ping"}))
        head = await client.exactly(len(b"HTTP/1.1 101 "))
        assert head == b"HTTP/1.1 101 "
        while not (await client.exactly(1)).endswith(b"{"):
            pass
        assert (await client.exactly(14)).startswith(b'"type":"pong"')


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://page.example", 101),
        ("https://PAGE.example", 101),
        ("http://test", 101),
        ("https://elsewhere.example", 403),
        ("null", 403),
    ],
)
async def test_without_credentials_a_strange_page_is_kept_out(
    caplog: pytest.LogCaptureFixture, origin: str, status: int
) -> None:
    async with (
        disturbed_gateway(caplog, OPEN) as gateway,
        await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream,
    ):
        client = Client(stream)
        await client.send(changed("Host: test\r\n", f"Host: test\r\nOrigin: {origin}\r\n"))
        assert (await client.exactly(12)) == f"HTTP/1.1 {status}".encode()


async def test_where_a_token_is_asked_for_any_page_may_show_one(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        await client.send(changed("Host: test\r\n", "Host: test\r\nOrigin: https://elsewhere.example\r\n"))
        assert (await client.exactly(12)) == b"HTTP/1.1 101"
