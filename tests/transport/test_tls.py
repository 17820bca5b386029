"""TLS and HTTP/2 on the same port."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx2
import msgspec
import pytest
import trio
import trio.testing
import trustme

from actors.sink import BrokenSink
from tests.transport.client import Client
from tests.transport.server import EVENTS, OPTIONS, SWITCHING, Server, start_server
from tests.transport.test_keep_alive import EVENT_GET, UPGRADE
from tests.transport.test_socket_stream import stream_over, tcp_pair
from transport.head import HTTP2_PREFACE
from transport.listener_options import ListenerOptions
from transport.tls import TlsStream, accept_tls, server_context

AUTHORITY = trustme.CA()


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@pytest.fixture
def tls_options(tmp_path: Path) -> ListenerOptions:
    certificate = tmp_path / "server.pem"
    AUTHORITY.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    return msgspec.structs.replace(OPTIONS, tls_certificate=certificate)


async def connect(server: Server) -> Client:
    plain = (await server.connect()).stream
    secured = trio.SSLStream(plain, client_context(), server_hostname="127.0.0.1", https_compatible=True)
    return Client(secured)


async def test_http2_is_agreed_by_alpn(nursery: trio.Nursery, tls_options: ListenerOptions) -> None:
    server = await start_server(nursery, tls_options)
    url = f"https://127.0.0.1:{server.listener.addresses[0][1]}"
    async with httpx2.AsyncClient(http2=True, verify=client_context()) as client:
        first = await client.get(f"{url}/")
        assert (first.http_version, first.status_code, first.text) == ("HTTP/2", 200, "hello")
        echoed = await client.post(f"{url}/echo", content=b"body" * 1000)
        assert echoed.content == b"body" * 1000
    assert server.listener.statistics().accepted == 1


async def test_a_body_over_the_limit_leaves_the_http2_connection_alive(
    nursery: trio.Nursery, tls_options: ListenerOptions
) -> None:
    server = await start_server(nursery, tls_options)
    url = f"https://127.0.0.1:{server.listener.addresses[0][1]}"
    async with httpx2.AsyncClient(http2=True, verify=client_context()) as client:
        refused = await client.post(f"{url}/echo", content=b"x" * (3 * OPTIONS.body_bytes))
        assert refused.status_code == 413
        assert (await client.get(f"{url}/")).text == "hello"
    statistics = server.listener.statistics()
    assert (statistics.accepted, statistics.crashed) == (1, 0)


async def test_http1_over_tls_keeps_the_connection(nursery: trio.Nursery, tls_options: ListenerOptions) -> None:
    server = await start_server(nursery, tls_options)
    client = await connect(server)
    for _ in range(2):
        assert (await client.get()).body == b"hello"
    await client.send(UPGRADE + b"early")
    assert await client.exactly(len(SWITCHING) + 5) == SWITCHING + b"early"


async def test_an_event_stream_over_tls(nursery: trio.Nursery, tls_options: ListenerOptions) -> None:
    server = await start_server(nursery, tls_options)
    client = await connect(server)
    await client.get()
    await client.send(EVENT_GET)
    assert await client.rest() == EVENTS


async def test_a_plain_request_on_a_tls_port_fails_the_handshake(
    nursery: trio.Nursery, tls_options: ListenerOptions
) -> None:
    server = await start_server(nursery, tls_options)
    client = await server.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    with pytest.raises(trio.BrokenResourceError):
        await client.rest()
    assert server.listener.statistics().handshake_failures == 1
    assert (await (await connect(server)).get()).status == 200


async def test_a_handshake_that_does_not_come_hits_its_deadline(
    nursery: trio.Nursery, tls_options: ListenerOptions
) -> None:
    server = await start_server(nursery, msgspec.structs.replace(tls_options, handshake_seconds=0.05))
    client = await server.connect()
    with pytest.raises(trio.BrokenResourceError):
        await client.rest()
    statistics = server.listener.statistics()
    assert (statistics.handshake_failures, statistics.crashed) == (1, 0)


async def test_abort_ends_a_wait_above_tls(tls_options: ListenerOptions) -> None:
    assert tls_options.tls_certificate is not None
    context = server_context(tls_options.tls_certificate)
    server, plain = tcp_pair()
    with plain:
        client = trio.SSLStream(stream_over(plain), client_context(), server_hostname="127.0.0.1")
        accepted: list[TlsStream] = []

        async def accept() -> None:
            accepted.append(await accept_tls(stream_over(server), context, 10))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            nursery.start_soon(client.do_handshake)
        (stream,) = accepted
        assert (stream.write_nowait(b"x"), stream.secure) == (0, True)

        async def read() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await stream.receive_some()

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(read)
                await trio.testing.wait_all_tasks_blocked()
                stream.abort()
        with pytest.raises(BrokenSink):
            await stream.write_all(b"x")
        await stream.aclose()


async def test_http2_without_tls_by_its_preface(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    url = f"http://127.0.0.1:{server.listener.addresses[0][1]}"
    async with httpx2.AsyncClient(http1=False, http2=True) as client:
        reply = await client.get(f"{url}/")
    assert (reply.http_version, reply.text) == ("HTTP/2", "hello")


async def test_websockets_are_not_offered_inside_http2(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(HTTP2_PREFACE + b"\0\0\0\4\0\0\0\0\0")
    length = int.from_bytes((await client.exactly(9))[:3], "big")
    settings = await client.exactly(length)
    assert b"\0\x08" not in {settings[start : start + 2] for start in range(0, length, 6)}


async def test_an_idle_http2_connection_is_closed(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, keep_alive_seconds=0.05))
    client = await server.connect()
    await client.send(HTTP2_PREFACE + b"\0\0\0\4\0\0\0\0\0")
    assert (await client.rest())[3:4] == b"\4"
    assert server.listener.statistics().crashed == 0


async def test_draining_closes_an_idle_http2_connection(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, keep_alive_seconds=3600))
    client = await server.connect()
    await client.send(HTTP2_PREFACE + b"\0\0\0\4\0\0\0\0\0")
    assert (await client.exactly(4))[3:] == b"\4"
    await server.http.drain()
    await client.rest()


async def test_a_request_to_switch_to_http2_is_answered_in_http1(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    reply = await client.get(headers="Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n")
    assert (reply.status, reply.body, reply.informational) == (200, b"hello", ())
    assert (await client.get()).status == 200
