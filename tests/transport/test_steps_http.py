"""The steps over HTTP as browsers, old clients and slow ones come: preflights, HTTP/1.0, a reader that stops."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
import trio
import trio.testing

from actors.outbox import OutboxOptions
from tests.support.event_stream import Block, StreamClient
from tests.support.gateway import Gateway, running_gateway
from tests.support.steps import steps_socket, steps_stream
from tests.transport.client import Client, Reply
from tests.transport.test_steps_posts import ALICE, entered, post, until
from tests.transport.test_steps_socket import echo, greeted
from transport.client_services import ClientOptions
from transport.listener_options import Bind, ListenerOptions

LISTED, STRANGE = "https://myapp.com", "https://else.com"
OTHER_LIFE = "x" * 16 + ":7"


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    options = ClientOptions(auth_required=True, cors_origins=("https://other.org", LISTED))
    async with running_gateway({"echo": echo}, options=options) as running:
        yield running


async def ask(gateway: Gateway, lines: str) -> Reply:
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        await client.send(lines.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        return await client.reply()


async def preflight(gateway: Gateway, path: str, origin: str) -> Reply:
    method = "GET" if path == "/sse" else "POST"
    named = f"Access-Control-Request-Method: {method}\nAccess-Control-Request-Headers: authorization, content-type"
    return await ask(gateway, f"OPTIONS {path} HTTP/1.1\nHost: test\nOrigin: {origin}\n{named}")


@pytest.mark.parametrize("path", ["/sse", "/task", "/command"])
async def test_a_preflight_is_answered_to_listed_origins_alone(gateway: Gateway, path: str) -> None:
    good = await preflight(gateway, path, LISTED)
    assert good.status == 200
    assert good.headers["access-control-allow-origin"] == LISTED
    assert good.headers["access-control-allow-credentials"] == "true"
    assert {"GET", "POST"} <= set(good.headers["access-control-allow-methods"].split(", "))
    allowed = good.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "content-type", "last-event-id"} <= set(allowed)
    bad = await preflight(gateway, path, STRANGE)
    assert not [name for name in bad.headers if name.startswith("access-control-allow")]


async def test_posts_of_a_strange_page_are_refused_and_of_a_listed_one_answered(gateway: Gateway) -> None:
    async with entered(gateway) as (stream, client_id):
        body = {"type": "get:tools", "clientId": client_id}
        refused = await post(gateway, "/command", body, {**ALICE, "origin": STRANGE})
        assert (refused.status, "access-control-allow-origin" in refused.headers) == (403, False)
        taken = await post(gateway, "/command", body, {**ALICE, "origin": LISTED})
        assert (taken.status, taken.headers["access-control-allow-origin"]) == (200, LISTED)
        await until(stream, "tools:list")


@pytest.mark.parametrize("accept", ["text/event-stream", "*/*", "application/json", ""])
async def test_the_stream_is_one_whatever_a_client_says_that_it_accepts(gateway: Gateway, accept: str) -> None:
    async with entered(gateway, {**ALICE, "accept": accept}) as (stream, _):
        assert stream.headers["content-type"].startswith("text/event-stream")


@asynccontextmanager
async def old_stream(gateway: Gateway, headers: str = "") -> AsyncIterator[StreamClient]:
    """A client of HTTP/1.0, which knows no chunks: its answer ends with the connection."""
    async with StreamClient(await trio.open_tcp_stream("127.0.0.1", gateway.port)) as client:
        named = f"Host: test\r\nAuthorization: Bearer alice\r\n{headers}"
        await client.stream.send_all(f"GET /sse HTTP/1.0\r\n{named}\r\n".encode())
        yield client


async def read_blocks(client: StreamClient, last: str) -> tuple[str, list[Block]]:
    text = b""
    with trio.fail_after(10):
        while b"event: %b\n" % last.encode() not in text or not text.endswith(b"\n\n"):
            text += bytes(await client.stream.receive_some())
    head, _, rest = text.decode().rpartition("\r\n\r\n")
    return head, [Block(block) for block in rest.removesuffix("\n\n").split("\n\n")]


async def test_a_client_of_http_1_0_is_told_the_same_and_may_post(gateway: Gateway) -> None:
    async with old_stream(gateway) as client:
        head, blocks = await read_blocks(client, "status")
        assert " 200 " in head
        assert "transfer-encoding" not in head.lower()
        assert "content-type: text/event-stream" in head.lower()
        client_id = blocks[0].payload["data"]["clientId"]
        assert blocks[0].fields["retry"] == "3000"
        assert (await post(gateway, "/command", {"type": "get:tools", "clientId": client_id})).status == 200
        await read_blocks(client, "tools:list")
        assert (await post(gateway, "/task", {"task": "go", "clientId": client_id})).status == 200
        _, blocks = await read_blocks(client, "task:complete")
        last = next(block.id for block in blocks if block.event == "plan:created")
    async with old_stream(gateway, f"Last-Event-ID: {last}\r\n") as client:
        _, blocks = await read_blocks(client, "task:complete")
        assert blocks[0].payload["data"]["recovered"] is True
    with trio.fail_after(10):
        while len(gateway.world.connections):
            await trio.testing.wait_all_tasks_blocked(0.005)
    assert (await post(gateway, "/task", {"task": "go", "clientId": client_id})).status == 404


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_position_of_another_life_is_told_as_lost(gateway: Gateway, version: str) -> None:
    if version == "1.0":
        async with old_stream(gateway, f"Last-Event-ID: {OTHER_LIFE}\r\n") as client:
            greeting = (await read_blocks(client, "status"))[1][0].payload
    else:
        async with steps_stream(gateway, {**ALICE, "last-event-id": OTHER_LIFE}) as stream:
            greeting = (await stream.event()).payload
    assert (greeting["type"], greeting["data"]["recovered"]) == ("connected", False)


async def test_head_tells_what_get_would_and_who_may_not(gateway: Gateway) -> None:
    async with StreamClient(await trio.open_tcp_stream("127.0.0.1", gateway.port)) as client:
        await client.get("/sse", ALICE, method="HEAD")
        assert (client.status, client.headers["content-type"]) == (200, "text/event-stream")
    assert (await ask(gateway, "GET /sse HTTP/1.0\nHost: test")).status == 401


async def test_a_reader_that_stops_holds_up_nobody_and_is_told_what_it_missed() -> None:
    options = ClientOptions(auth_required=True, outbox=OutboxOptions(replies_bytes=4096, stall_seconds=60.0))
    listening = ListenerOptions(binds=(Bind(port=0),), send_buffer_bytes=4096)
    async with running_gateway({"echo": echo}, options=options, listener_options=listening) as gateway:
        sock = trio.socket.socket()
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 2048)
        await sock.connect(("127.0.0.1", gateway.port))
        async with StreamClient(trio.SocketStream(sock)) as stuck, steps_socket(gateway, "alice") as reader:
            await stuck.get("/sse", ALICE)
            client_id = (await stuck.event()).payload["data"]["clientId"]
            await greeted(reader)
            agent = gateway.desk.agents.of("alice")
            for number in range(300):
                await agent.broadcast("page", {"number": number, "text": "x" * 10_000})
                await reader.until("page", number=number)
            refused = await post_until_busy(gateway, client_id)
            assert (refused.status, orjson.loads(refused.body)["error"]["code"]) == (503, "BUSY")
            seen = [await until(stuck, "page")]
            kinds = set()
            while seen[-1]["data"]["number"] != 299:
                payload = (await stuck.event()).payload
                kinds.add(payload["type"])
                seen += [payload] if payload["type"] == "page" else []
        assert "gap" in kinds
        numbers = [one["data"]["number"] for one in seen]
        assert numbers == sorted(set(numbers))
        assert len(numbers) < 300


async def post_until_busy(gateway: Gateway, client_id: str) -> Reply:
    """What does not fit into the outbox of one that reads nothing is refused to who asks for it."""
    for _ in range(100):
        reply = await post(gateway, "/command", {"type": "get:tools", "clientId": client_id})
        if reply.status != 200:
            return reply
    raise AssertionError("replies are kept without end for a client that does not read")
