from __future__ import annotations

import pytest
import trio

from tests.transport.http.site import Site, open_site
from transport.http.identity import Rates
from transport.http.services import HttpOptions

TASKS = "/api/v1/tasks"


@pytest.mark.parametrize("authorization", ["Bearer unknown", "Bearer", "Bearer ", "Basic YTpi", ""])
@pytest.mark.parametrize("required", [True, False])
async def test_a_bad_credential_is_refused_also_where_none_is_required(
    nursery: trio.Nursery, authorization: str, required: bool
) -> None:
    site = open_site(nursery, options=HttpOptions(auth_required=required))
    response = await site.request("GET", TASKS, user=None, headers={"Authorization": authorization})
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_without_a_credential_one_is_anonymous_where_none_is_required(nursery: trio.Nursery) -> None:
    site = open_site(nursery, options=HttpOptions(auth_required=False))
    task = await site.post(TASKS, {"agent": "echo", "prompt": "x"}, user=None, status=201)
    assert task["user_id"] == "anonymous"


PUBLIC = ("/api/websocket-info",)
"""What tells how to connect."""


async def test_without_a_credential_nothing_of_the_api_is_open(site: Site) -> None:
    for rule in site.app.url_map.iter_rules():
        if not rule.rule.startswith("/api/") or rule.rule in PUBLIC:
            continue
        path = rule.rule.replace("<", "").replace(">", "")
        method = "POST" if "POST" in (rule.methods or ()) else "GET"
        response = await site.request(method, path, user=None, data=b"")
        assert response.status_code == 401, path


async def test_a_token_in_the_address(site: Site) -> None:
    await site.task("echo")
    assert len((await site.get(f"{TASKS}?access_token=a", user=None))["tasks"]) == 1
    assert (await site.get(f"{TASKS}?access_token=b", user=None))["tasks"] == []
    await site.get(f"{TASKS}?access_token=x", user=None, status=401)


async def test_a_ticket_reads_as_the_one_it_was_issued_to(site: Site) -> None:
    await site.task("echo")
    issued = await site.post("/api/v1/tickets", status=201)
    assert issued["expires_in"] == 60.0
    path = f"{TASKS}?ticket={issued['ticket']}"
    assert len((await site.get(path, user=None))["tasks"]) == 1
    await site.get(f"{TASKS}?ticket=other", user=None, status=401)


async def test_a_ticket_starts_nothing_and_buys_no_other(site: Site) -> None:
    ticket = (await site.post("/api/v1/tickets", status=201))["ticket"]
    await site.post(f"{TASKS}?ticket={ticket}", {"agent": "echo", "prompt": "x"}, user=None, status=401)
    await site.post(f"/api/v1/tickets?ticket={ticket}", user=None, status=401)
    assert (await site.get(TASKS))["tasks"] == []


async def test_a_ticket_falls_with_the_key_behind_it(site: Site) -> None:
    ticket = (await site.post("/api/v1/tickets", status=201))["ticket"]
    site.tokens.revoked.add("alice")
    await site.get(f"{TASKS}?ticket={ticket}", user=None, status=401)


async def test_who_asks_too_often_is_told_when_to_come_back(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    site = open_site(nursery, options=HttpOptions(requests_per_second=0.5, requests_burst=2))
    await site.get(TASKS)
    await site.get(TASKS)
    response = await site.request("GET", TASKS)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "2")
    await site.get(TASKS, user="b")
    await trio.sleep(2)
    await site.get(TASKS)


def test_rates_are_kept_for_so_many_users() -> None:
    rates = Rates(1, 1, users=3)
    for number in range(10):
        rates.take(f"user-{number}", 0.0)
    assert len(rates) == 3


async def test_the_figures_are_for_admins(site: Site) -> None:
    await site.get("/api/v1/admin/gateway/stats", status=403)
    await site.task("echo")
    stats = await site.get("/api/v1/admin/gateway/stats", user="root")
    assert stats["tasks"]["started_total"] == 1
    assert (stats["listener"]["open"], stats["readiness"]) == (3, "ready")
