"""The steps over an event stream and posts, and who is let in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
import trio

from actors.commands import TaskQuery
from actors.principal import Principal
from tests.support.agents import forever
from tests.support.event_stream import StreamClient
from tests.support.gateway import Gateway, running_gateway
from tests.support.steps import steps_stream
from tests.transport.client import Client, Reply
from tests.transport.test_steps_socket import echo
from transport.client_services import ClientOptions
from transport.head import RequestHead

ALICE = {"authorization": "Bearer alice"}
AGENTS = {"echo": echo, "forever": forever}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    options = ClientOptions(auth_required=True, cors_origins=("https://myapp.com",))
    async with running_gateway(AGENTS, options=options) as running:
        yield running


async def post(gateway: Gateway, path: str, body: object, headers: dict[str, str] | None = None) -> Reply:
    raw = orjson.dumps(body)
    named = {"host": "test", "content-length": str(len(raw)), **(ALICE if headers is None else headers)}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        await client.send("\r\n".join(lines).encode() + raw)
        return await client.reply()


async def upgrade(gateway: Gateway, headers: str) -> Reply:
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        asked = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        return await Client(stream).get("/ws", f"{asked}Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n{headers}")


@asynccontextmanager
async def entered(gateway: Gateway, headers: dict[str, str] | None = None) -> AsyncIterator[tuple[StreamClient, str]]:
    """A stream that was greeted, and its client's id."""
    async with steps_stream(gateway, ALICE if headers is None else headers) as stream:
        assert stream.status == 200
        connected = await stream.event()
        assert (await stream.event()).event == "status"
        yield stream, connected.payload["data"]["clientId"]


async def until(stream: StreamClient, kind: str) -> dict[str, Any]:
    while (payload := (await stream.event()).payload)["type"] != kind:
        pass
    return payload


async def test_a_task_is_posted_and_told_on_the_stream(gateway: Gateway) -> None:
    async with entered(gateway) as (stream, client_id):
        reply = await post(gateway, "/task", {"task": "go", "context": {}, "clientId": client_id})
        assert reply.status == 200
        answer = orjson.loads(reply.body)
        assert answer["success"] is True
        assert (await until(stream, "task:complete"))["data"]["taskId"] == answer["taskId"]


async def test_commands_are_posted_and_answered_on_the_stream(gateway: Gateway) -> None:
    async with entered(gateway) as (stream, client_id):
        await post(gateway, "/task", {"task": "wait", "clientId": client_id})
        busy = await post(gateway, "/task", {"task": "go", "clientId": client_id})
        assert (busy.status, orjson.loads(busy.body)["error"]["code"]) == (409, "CONFLICT")
        tools = await post(gateway, "/command", {"type": "get:tools", "id": "t", "clientId": client_id})
        assert tools.status == 200
        assert (await until(stream, "tools:list"))["id"] == "t"
        assert (await post(gateway, "/command", {"type": "task:cancel", "clientId": client_id})).status == 200
        assert (await until(stream, "task:complete"))["data"]["cancelled"] is True


async def test_only_a_client_of_ones_own_is_spoken_for(gateway: Gateway) -> None:
    async with entered(gateway, {"authorization": "Bearer bob"}) as (_, of_bob):
        for client_id in ("client-none", of_bob):
            for path, body in (("/task", {"task": "go"}), ("/command", {"type": "get:tools"})):
                assert (await post(gateway, path, {**body, "clientId": client_id})).status == 404
        assert (await post(gateway, "/task", {"task": "go", "clientId": of_bob}, {})).status == 401
    gone = await post(gateway, "/task", {"task": "go", "clientId": of_bob}, {"authorization": "Bearer bob"})
    assert gone.status == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/task", {"task": "go"}),
        ("/task", {"task": "", "clientId": "ID"}),
        ("/task", {"task": 7, "clientId": "ID"}),
        ("/task", []),
        ("/command", {"clientId": "ID"}),
        ("/command", {"type": "explode", "clientId": "ID"}),
        ("/command", {"type": "step:confirm", "data": {}, "clientId": "ID"}),
    ],
)
async def test_a_bad_post_is_refused(gateway: Gateway, path: str, body: object) -> None:
    async with entered(gateway) as (_, client_id):
        raw = orjson.loads(orjson.dumps(body).replace(b"ID", client_id.encode()))
        assert (await post(gateway, path, raw)).status == 400


async def test_pages_of_a_listed_origin_may_use_the_stream_with_credentials(gateway: Gateway) -> None:
    async with steps_stream(gateway, {**ALICE, "origin": "https://myapp.com"}) as stream:
        assert stream.headers["access-control-allow-origin"] == "https://myapp.com"
        assert stream.headers["access-control-allow-credentials"] == "true"
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"].startswith("no-cache")
        assert stream.headers["x-accel-buffering"] == "no"
    async with steps_stream(gateway, {**ALICE, "origin": "https://else.com"}) as stream:
        assert "access-control-allow-origin" not in stream.headers


async def test_a_quiet_stream_is_sent_a_comment(gateway: Gateway) -> None:
    async with entered(gateway) as (stream, _):
        now = trio.current_time() + 31
        await gateway.world.connections.round(now, 0.0)
        assert (await stream.event()).comments == ["heartbeat"]


async def test_who_shows_no_good_credential_is_not_upgraded(gateway: Gateway) -> None:
    for headers in ("", "Authorization: Bearer nobody\r\n"):
        reply = await upgrade(gateway, headers)
        assert (reply.status, reply.body) == (401, b"Unauthorized")
    async with steps_stream(gateway, {}) as stream:
        assert stream.status == 401


def by_header(head: RequestHead) -> bool | str:
    """A check of the operator's own."""
    match head.header("authorization"):
        case "good":
            return "carol"
        case "anybody":
            return True
        case "crash":
            raise RuntimeError("no judgement")
        case "odd":
            return "*"
        case _:
            return False


async def by_header_later(head: RequestHead) -> bool | str:
    await trio.lowlevel.checkpoint()
    return by_header(head)


@pytest.mark.parametrize("verify", [by_header, by_header_later])
async def test_an_operators_own_check_decides_at_every_way_in(verify: Any) -> None:
    async with running_gateway(AGENTS, verify_client=verify) as gateway:
        for bad in ("crash", "odd", "", "Bearer alice"):
            reply = await upgrade(gateway, f"Authorization: {bad}\r\n")
            assert (reply.status, reply.body) == (401, b"Unauthorized"), bad
        async with steps_stream(gateway, {"authorization": "anybody"}) as stream:
            assert stream.status == 200
        async with entered(gateway, {"authorization": "good"}) as (stream, client_id):
            body = {"task": "go", "clientId": client_id}
            assert (await post(gateway, "/task", body, {"authorization": "anybody"})).status == 404
            assert (await post(gateway, "/task", body, {"authorization": "bad"})).status == 401
            assert (await post(gateway, "/task", body, {"authorization": "good"})).status == 200
            task_id = (await until(stream, "task:complete"))["data"]["taskId"]
        (task,) = gateway.world.tasks.page(Principal("carol"), TaskQuery()).tasks
        assert task.id == task_id
