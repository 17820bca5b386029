"""Who gets an event stream, over what, and what everybody else is told."""

from __future__ import annotations

import ssl
from pathlib import Path

import msgspec
import pytest
import trio
import trustme

from actors.commands import CreateTask
from tests.support.event_stream import StreamClient
from tests.support.gateway import running_gateway
from tests.support.world import BOB
from tests.transport.agents import AGENTS
from tests.transport.bystander import LISTENER, disturbed_gateway
from tests.transport.client import Client
from tests.transport.test_event_stream import ALICE, PATH, connect, publish
from transport.client_services import ClientOptions

OPEN = ClientOptions(auth_required=False)
PAGE = "https://page.example"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PATH, {"authorization": "Bearer alice"}),
        (PATH, {"authorization": "bearer  alice"}),
        (f"{PATH}?access_token=alice", {}),
        (f"{PATH}?since=0&ticket=tk_alice", {}),
        (f"{PATH}?access_token=nobody", {"authorization": "Bearer alice"}),
    ],
)
async def test_a_credential_in_every_place(
    caplog: pytest.LogCaptureFixture, path: str, headers: dict[str, str]
) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        await client.get(path, headers)
        assert client.status == 200
        assert (await client.event()).event == "subscribed"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PATH, {}),
        (PATH, {"authorization": "Bearer expired"}),
        (PATH, {"authorization": "Bearer"}),
        (PATH, {"authorization": "Basic YTpi"}),
        (f"{PATH}?access_token=alice", {"authorization": "Bearer nobody"}),
        (f"{PATH}?access_token=", {}),
        (f"{PATH}?ticket=tk_nobody", {}),
        (f"{PATH}?ticket=alice", {}),
    ],
)
async def test_a_bad_credential_gets_401(caplog: pytest.LogCaptureFixture, path: str, headers: dict[str, str]) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        await client.get(path, headers)
        assert (client.status, client.headers["www-authenticate"]) == (401, "Bearer")
        assert client.headers["content-type"] == "application/json"
        assert client.headers["cache-control"] == "no-store"
        assert (await client.body())["error"]["code"] == "UNAUTHORIZED"


async def test_a_ticket_of_a_revoked_credential_is_void(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        gateway.verifier.revoked.add("alice")
        await client.get(f"{PATH}?ticket=tk_alice")
        assert client.status == 401


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{PATH}?since=nonsense", 400, "INVALID_PAYLOAD"),
        ("/api/v1/channels/weather/news/events", 404, "NOT_FOUND"),
        ("/api/v1/channels/app/a%20b%00/events", 404, "NOT_FOUND"),
        ("/api/v1/channels/task/no-such-task/events", 404, "NOT_FOUND"),
        ("/api/v1/channels/system/stats/events", 403, "FORBIDDEN"),
    ],
)
@pytest.mark.parametrize("http", ["fast", "slow"])
async def test_a_refusal_is_the_same_on_both_ways(
    caplog: pytest.LogCaptureFixture, path: str, status: int, code: str, http: str
) -> None:
    async with disturbed_gateway(caplog) as gateway, await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        client = Client(stream)
        version = "1.1" if http == "fast" else "1.0"
        await client.send(f"GET {path} HTTP/{version}\r\nHost: test\r\nAuthorization: Bearer alice\r\n\r\n".encode())
        reply = await client.reply()
        assert reply.status == status
        error = msgspec.json.decode(reply.body)["error"]
        assert (error["code"], bool(error["message"])) == (code, True)


async def test_a_task_of_somebody_else_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        task_id = (await gateway.world.router.create_task(BOB, CreateTask(agent="sleeper", prompt="zz"))).id
        await client.get(f"/api/v1/channels/task/{task_id}/events", ALICE)
        assert (client.status, (await client.body())["error"]["code"]) == (404, "NOT_FOUND")


async def test_more_than_a_connection_may_hold_says_when_to_come_back() -> None:
    options = ClientOptions(auth_required=True, subscriptions=0)
    async with running_gateway(AGENTS, options=options) as gateway, await connect(gateway) as client:
        await client.get(PATH, ALICE)
        assert (client.status, client.headers["retry-after"]) == (429, "1")


async def test_without_required_credentials_none_is_needed_and_a_bad_one_is_refused() -> None:
    async with running_gateway(AGENTS, options=OPEN, listener_options=LISTENER) as gateway:
        async with await connect(gateway) as client:
            await client.get(PATH)
            assert client.status == 200
        async with await connect(gateway) as client:
            await client.get(PATH, {"authorization": "Bearer expired"})
            assert client.status == 401
        await gateway.settled()


async def test_a_stream_after_other_requests_on_the_same_connection(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        await client.get("/healthz")
        assert client.status == 200
        await client.body()
        await client.get(PATH, ALICE)
        assert (await client.event()).event == "subscribed"
        await publish(gateway, 1)
        assert (await client.event()).data == 1


async def test_head_tells_the_type_and_sends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        await client.get(PATH, ALICE, method="HEAD")
        assert client.status == 200
        assert client.headers["content-type"].startswith("text/event-stream")
        assert await client.body() == {}


async def test_http_1_0_gets_the_stream_without_chunks(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
        await publish(gateway, "old")
        client = Client(stream)
        await client.send(f"GET {PATH}?since=0 HTTP/1.0\r\nAuthorization: Bearer alice\r\n\r\n".encode())
        seen = b""
        while b'"old"' not in seen:
            seen += await client.exactly(1)
        head, _, body = seen.partition(b"\r\n\r\n")
        assert b"chunked" not in head.lower()
        assert body.startswith(b"event: subscribed\n")


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize(("origin", "listed"), [(PAGE, True), ("https://elsewhere.example", False), (None, False)])
async def test_a_listed_page_may_read_the_stream_and_the_refusal(
    caplog: pytest.LogCaptureFixture, origin: str | None, listed: bool, status: int
) -> None:
    options = ClientOptions(auth_required=True, cors_origins=(PAGE,))
    async with disturbed_gateway(caplog, options) as gateway, await connect(gateway) as client:
        credential = ALICE if status == 200 else {}
        await client.get(PATH, credential if origin is None else credential | {"origin": origin})
        assert (client.status, client.headers["vary"]) == (status, "Origin")
        assert client.headers.get("access-control-allow-origin") == (origin if listed else None)
        assert client.headers.get("access-control-allow-credentials") == ("true" if listed else None)


async def test_the_preflight_of_a_listed_page_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    options = ClientOptions(auth_required=True, cors_origins=(PAGE,))
    async with disturbed_gateway(caplog, options) as gateway, await connect(gateway) as client:
        asked = {"origin": PAGE, "access-control-request-method": "GET"}
        await client.get(PATH, asked, method="OPTIONS")
        assert client.status == 200
        assert client.headers["access-control-allow-origin"] == PAGE
        assert "Last-Event-ID" in client.headers["access-control-allow-headers"]


async def test_over_tls_the_stream_is_the_same(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "server.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    secure = msgspec.structs.replace(LISTENER, tls_certificate=certificate)
    async with running_gateway(AGENTS, listener_options=secure) as gateway:
        plain = await trio.open_tcp_stream("127.0.0.1", gateway.port)
        secured = trio.SSLStream(plain, context, server_hostname="127.0.0.1", https_compatible=True)
        async with StreamClient(secured) as client:
            await client.get(PATH, ALICE)
            assert (await client.event()).event == "subscribed"
            epoch = await publish(gateway, *range(100))
            assert [(await client.event()).id for _ in range(100)] == [f"{epoch}:{n}" for n in range(1, 101)]
        await gateway.settled()
