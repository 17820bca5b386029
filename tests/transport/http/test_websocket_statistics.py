"""`GET /ws/statistics`: the figures of the clients at `/ws/agent`, and the page to try it."""

from __future__ import annotations

import time

import httpx2
import pytest

from tests.support.agent_client import agent_client
from tests.support.agents import AGENTS
from tests.support.gateway import running_gateway
from transport.client_services import ClientOptions


async def test_the_documents_fields() -> None:
    async with (
        running_gateway(AGENTS, options=ClientOptions(auth_required=False)) as gateway,
        agent_client(gateway) as client,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as http,
    ):
        await client.ask("ping")
        figures = (await http.get("/ws/statistics")).json()
        (one,) = figures.pop("connections")
        assert figures == {"active_connections": 1, "total_connections": 1, "total_messages": 1}
        assert one["message_count"] == 1
        assert 0 <= time.time() - one["connected_at"] < 60
        assert 0 <= one["uptime"] < 60
        assert set(one) == {"id", "connected_at", "message_count", "uptime"}


async def test_where_credentials_are_asked_for_a_user_sees_the_connections_of_its_own() -> None:
    async with (
        running_gateway(AGENTS) as gateway,
        agent_client(gateway, "alice"),
        agent_client(gateway, "bob"),
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as http,
    ):
        assert (await http.get("/ws/statistics")).status_code == 401
        for user, seen in (("alice", 1), ("root", 2)):
            answer = await http.get("/ws/statistics", headers={"Authorization": f"Bearer {user}"})
            assert answer.json()["active_connections"] == 2
            assert len(answer.json()["connections"]) == seen


@pytest.mark.parametrize(("name", "kind"), [("html", "text/html"), ("css", "text/css"), ("js", "text/javascript")])
async def test_the_page_is_served_with_all_it_needs(name: str, kind: str) -> None:
    async with (
        running_gateway(AGENTS) as gateway,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as http,
    ):
        answer = await http.get(f"/static/test_websocket.{name}")
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        assert "https://" not in answer.text
