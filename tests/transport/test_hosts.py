"""A stranger's name that was made to point to this machine is no way in, where nobody needs a credential."""

from __future__ import annotations

import pytest
import trio

from tests.support.gateway import running_gateway
from tests.transport.agents import AGENTS
from tests.transport.client import Client
from transport.client_services import ClientOptions
from transport.http.origins import Origins

OPEN = ClientOptions(auth_required=False, loopback_only=True, cors_origins=("https://front.example:8443",))
UPGRADE = (
    "GET /api/v1/gateway/ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
EVENTS = "GET /api/v1/channels/app/news/events HTTP/1.1\r\nHost: {host}\r\n\r\n"
TASKS = "GET /api/v1/tasks HTTP/1.1\r\nHost: {host}\r\n\r\n"


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:18080", True),
        ("127.0.0.1:18080", True),
        ("127.9.9.9", True),
        ("[::1]:18080", True),
        ("front.example", True),
        ("evil.example", False),
        ("evil.example:18080", False),
        ("127.0.0.1.evil.example", False),
        ("10.0.0.1", False),
        ("[::1", False),
        ("a b", False),
        (None, True),
        ("", True),
    ],
)
def test_a_browser_comes_by_a_name_of_this_machine(host: str | None, known: bool) -> None:
    assert Origins(OPEN.cors_origins, loopback_only=True).may_call(host) is known
    assert Origins(OPEN.cors_origins).may_call(host)


@pytest.mark.parametrize(("request_text", "served"), [(UPGRADE, b"101"), (EVENTS, b"200"), (TASKS, b"200")])
async def test_every_way_in_asks_for_the_name(request_text: str, served: bytes) -> None:
    async with running_gateway(AGENTS, options=OPEN) as gateway:
        for host, status in (("localhost", served), ("evil.example", b"403")):
            async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
                client = Client(stream)
                await client.send(request_text.format(host=host).encode())
                assert (await client.exactly(12)) == b"HTTP/1.1 " + status
