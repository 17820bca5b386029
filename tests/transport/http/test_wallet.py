"""What a wallet loads and does over HTTP."""

from __future__ import annotations

import re

import trio
from quart.wrappers import Response
from trio.testing import wait_all_tasks_blocked

from tests.support.wallets import Wallet
from tests.transport.http.site import Json, Site, open_site, read
from transport.http.services import HttpOptions

ALICE, BOB = Wallet(1), Wallet(2)


async def ask(
    site: Site, method: str, path: str, data: bytes | None = None, *, wallet: Wallet | None = ALICE, status: int = 200
) -> Json:
    headers = {} if wallet is None else wallet.headers()
    answer: Response = await site.request(method, path, user=None, headers=headers, data=data)
    return await read(answer, status)


async def test_the_info_has_exactly_its_fields_and_needs_no_key(site: Site) -> None:
    assert await ask(site, "GET", "/api/websocket-info", wallet=None) == {
        "endpoint": "/api/ws",
        "protocols": ["ws", "wss"],
        "auth_header": "X-Solana-PublicKey",
        "supported_message_types": {
            "client_to_server": ["ping"],
            "server_to_client": ["connection_established", "new_message", "task_update", "pong", "error"],
        },
        "heartbeat_interval": 30.0,
        "active_connections": 0,
    }


async def test_a_conversation_from_its_start_to_its_messages(site: Site) -> None:
    made = await ask(site, "POST", "/api/conversations", b'{"title":"Plans"}', status=201)
    assert [one["id"] for one in (await ask(site, "GET", "/api/conversations"))["conversations"]] == [made["id"]]
    path = f"/api/conversations/{made['id']}/messages"
    sent = await ask(site, "POST", path, b'{"content":[{"type":"text","text":"hi"}]}', status=202)
    await wait_all_tasks_blocked()
    messages = (await ask(site, "GET", path))["messages"]
    assert [(one["id"], one["role"], one["content"][0]["text"]) for one in messages] == [
        (f"{made['id']}-0", "user", "hi"),
        (f"{made['id']}-1", "assistant", "HI"),
    ]
    rest = (await ask(site, "GET", f"{path}?after=1"))["messages"]
    assert [one["id"] for one in rest] == [f"{made['id']}-1"]
    found = await ask(site, "GET", f"/api/tasks/{sent['task_id']}")
    assert found["conversation_id"] == found["task"]["sessionId"] == made["id"]
    assert found["task"]["status"]["state"] == "completed"
    assert [entry["role"] for entry in found["task"]["history"]] == ["user", "agent", "agent"]


async def test_another_wallet_finds_nothing(site: Site) -> None:
    made = await ask(site, "POST", "/api/conversations", status=201)
    path = f"/api/conversations/{made['id']}/messages"
    sent = await ask(site, "POST", path, b'{"content":"hi"}', status=202)
    assert (await ask(site, "GET", "/api/conversations", wallet=BOB))["conversations"] == []
    for method, where in (("GET", path), ("POST", path), ("GET", f"/api/tasks/{sent['task_id']}")):
        data = b'{"content":"x"}' if method == "POST" else None
        assert (await ask(site, method, where, data, wallet=BOB, status=404))["error"]["code"] == "NOT_FOUND"


async def test_bad_requests_are_named(site: Site) -> None:
    assert (await ask(site, "GET", "/api/conversations", wallet=None, status=401))["error"]["code"] == "UNAUTHORIZED"
    made = await ask(site, "POST", "/api/conversations", status=201)
    path = f"/api/conversations/{made['id']}/messages"
    for body in (b"{", b"{}", b'{"content":""}', b'{"content":[]}', b'{"content":[{"type":"text","text":""}]}'):
        assert (await ask(site, "POST", path, body, status=400))["error"]["message"]


async def test_the_sample_page_may_run_its_own_script_and_no_other(site: Site) -> None:
    for path in ("/samples/websocket_client_example.html", "/static/websocket_client_example.html"):
        answer = await site.request("GET", path, user=None)
        page = await answer.get_data(as_text=True)
        policy = answer.headers["Content-Security-Policy"]
        assert answer.status_code == 200
        assert "unsafe" not in policy
        assert re.search(r"script-src 'sha256-[^']+'; style-src 'sha256-", policy)
        assert "connection_established" in page
        assert " style=" not in page


async def test_pages_of_a_listed_origin_may_show_a_key_and_sign(nursery: trio.Nursery) -> None:
    site = open_site(nursery, options=HttpOptions(cors_origins=("https://app.example",)))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-solana-publickey"}
    for path in ("/api/conversations", "/api/tasks/task-1/confirm", "/api/websocket-info"):
        answer = await site.request("OPTIONS", path, user=None, headers={**asked, "Origin": "https://app.example"})
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"x-solana-publickey", "x-solana-nonce", "x-solana-signature", "content-type"} <= set(allowed)
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        strange = await site.request("OPTIONS", path, user=None, headers={**asked, "Origin": "https://else.example"})
        assert "Access-Control-Allow-Origin" not in strange.headers
    headers = {**ALICE.headers(), "Origin": "https://else.example"}
    refused = await site.request("POST", "/api/conversations", user=None, headers=headers, data=b"{}")
    assert refused.status_code == 403
    listed = await site.request("GET", "/api/tasks", user=None, headers={**headers, "Origin": "https://app.example"})
    assert (listed.status_code, listed.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example")
