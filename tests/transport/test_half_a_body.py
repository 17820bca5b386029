"""Half a request body, and then silence: answered, and the connection given back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import h2.config
import h2.connection
import h2.events
import msgspec
import pytest
import trio

from tests.transport.client import Client
from tests.transport.http.site import open_site
from tests.transport.server import OPTIONS, Server, start_server
from tests.transport.test_tls import client_context, connect, tls_options
from transport.http.services import HttpOptions
from transport.listener_options import ListenerOptions

Connect: TypeAlias = Callable[[Server], Awaitable[Client]]

REFUSAL = {"code": "TIMEOUT", "message": "the body did not arrive within 0.05 s (timeouts.body_seconds)"}
POST = b"POST %b HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer a\r\nContent-Type: application/json\r\n"
TASKS = POST % b"/api/v1/tasks"
HALVES = {
    "counted": TASKS + b'Content-Length: 100\r\n\r\n{"agent": "ec',
    "not begun": TASKS + b"Content-Length: 100\r\n\r\n",
    "chunked": TASKS + b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"agent":\r\n',
    "in a chunk": TASKS + b'Transfer-Encoding: chunked\r\n\r\n50\r\n{"agent":',
    "invited": TASKS + b"Content-Length: 100\r\nExpect: 100-continue\r\n\r\n",
}

__all__ = ["tls_options"]


async def plain(server: Server) -> Client:
    return await server.connect()


async def start(nursery: trio.Nursery, options: ListenerOptions = OPTIONS) -> Server:
    site = open_site(nursery, options=HttpOptions(body_seconds=0.05))
    return await start_server(nursery, options, site.app)


async def let_go(server: Server) -> None:
    """Returns when no connection is left."""
    with trio.fail_after(10):
        while server.listener.statistics().open:
            await trio.testing.wait_all_tasks_blocked(0.005)


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
@pytest.mark.parametrize("secured", [False, True])
async def test_it_is_refused_and_the_connection_ends(
    nursery: trio.Nursery, tls_options: ListenerOptions, half: bytes, secured: bool
) -> None:
    server = await start(nursery, tls_options if secured else OPTIONS)
    client = await (connect if secured else plain)(server)
    await client.send(half)
    reply = await client.reply()
    assert (reply.status, msgspec.json.decode(reply.body)["error"]) == (408, REFUSAL)
    assert reply.headers["retry-after"] == "1"
    assert await client.rest() == b""
    await client.stream.aclose()
    await let_go(server)


async def test_a_dialect_of_its_own_refusals_has_its_form(nursery: trio.Nursery) -> None:
    server = await start(nursery)
    client = await server.connect()
    await client.send(POST % b"/api/v1/pipelines/p1/ws/broadcast" + b"Content-Length: 100\r\n\r\n{")
    reply = await client.reply()
    assert (reply.status, msgspec.json.decode(reply.body)) == (408, {"code": -1, "msg": REFUSAL["message"]})


async def test_a_path_that_reads_no_body_answers_and_ends_the_connection(nursery: trio.Nursery) -> None:
    server = await start(nursery)
    client = await server.connect()
    await client.send(b"POST /nowhere HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
    assert (await client.reply()).status == 404
    assert await client.rest() == b""
    await client.stream.aclose()
    await let_go(server)


async def test_over_http2_the_stream_is_refused_and_the_connection_serves_on(
    nursery: trio.Nursery, tls_options: ListenerOptions
) -> None:
    server = await start(nursery, tls_options)
    context = client_context()
    context.set_alpn_protocols(["h2"])
    stream = trio.SSLStream((await server.connect()).stream, context, server_hostname="127.0.0.1")
    http2 = h2.connection.H2Connection(h2.config.H2Configuration())
    http2.initiate_connection()
    head = [(":method", "POST"), (":path", "/api/v1/tasks"), (":scheme", "https"), (":authority", "127.0.0.1")]
    http2.send_headers(1, [*head, ("authorization", "Bearer a")])
    http2.send_data(1, b'{"agent": "ec')
    assert await _answer(stream, http2, 1) == (b"408", {"error": REFUSAL})
    http2.send_headers(3, [(":method", "GET"), (":path", "/healthz"), *head[2:]], end_stream=True)
    assert (await _answer(stream, http2, 3))[0] == b"200"
    await trio.aclose_forcefully(stream)


async def _answer(stream: trio.abc.Stream, http2: h2.connection.H2Connection, stream_id: int) -> tuple[bytes, object]:
    """Status and body of the answer on that stream, once it has ended."""
    status, body = b"", b""
    with trio.fail_after(10):
        while True:
            await stream.send_all(http2.data_to_send())
            for event in http2.receive_data(bytes(await stream.receive_some())):
                match event:
                    case h2.events.ResponseReceived(stream_id=own, headers=headers) if own == stream_id:
                        status = dict(headers)[b":status"]
                    case h2.events.DataReceived(stream_id=own, data=data) if own == stream_id:
                        body += data
                    case h2.events.StreamEnded(stream_id=own) if own == stream_id:
                        return status, msgspec.json.decode(body)
