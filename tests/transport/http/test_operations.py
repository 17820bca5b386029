from __future__ import annotations

import re

import pytest
import trio
from prometheus_client.parser import text_string_to_metric_families

from tests.transport.http.site import Site, open_site
from transport.http.services import HttpOptions, Readiness


async def test_a_process_that_is_up_says_so_at_any_time(autojump_clock: trio.abc.Clock, site: Site) -> None:
    site.readiness = Readiness.DRAINING
    assert await site.get("/healthz", user=None) == {"status": "ok"}


@pytest.mark.parametrize("readiness", [Readiness.STARTING, Readiness.DRAINING])
async def test_a_process_takes_work_only_while_it_is_ready(
    autojump_clock: trio.abc.Clock, site: Site, readiness: Readiness
) -> None:
    assert await site.get("/readyz", user=None) == {"status": "ready"}
    site.readiness = readiness
    assert readiness in (await site.get("/readyz", user=None, status=503))["error"]["message"]


async def test_the_metrics_are_the_figures_of_the_parts(autojump_clock: trio.abc.Clock, site: Site) -> None:
    await site.task("patient")
    response = await site.request("GET", "/metrics", user=None)
    text = (await response.get_data(as_text=False)).decode()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["callboard_tasks_running",] == 1
    assert samples["callboard_tasks_started_total",] == 1
    assert samples["callboard_sockets_open",] == 3
    assert samples["callboard_bad_heads_total", "too_large"] == 2
    assert samples["callboard_ready",] == 1
    assert response.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_the_pages_need_nothing_from_elsewhere(autojump_clock: trio.abc.Clock, site: Site, path: str) -> None:
    page = (await (await site.request("GET", path, user=None)).get_data(as_text=False)).decode()
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        if address == "data:,":
            continue
        response = await site.request("GET", address, user=None)
        assert response.status_code in (200, 401), address
    assert "https://" not in page


async def test_a_listed_origin_may_use_the_api_with_credentials(nursery: trio.Nursery) -> None:
    site = open_site(nursery, options=HttpOptions(cors_origins=("https://app.example",)))
    origin = {"Origin": "https://app.example"}
    preflight = await site.request(
        "OPTIONS", "/api/v1/tasks", user=None, headers={**origin, "Access-Control-Request-Method": "POST"}
    )
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert preflight.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    refused = await site.request("GET", "/api/v1/tasks", user=None, headers=origin)
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, "https://app.example")
    other = await site.request("GET", "/api/v1/tasks", headers={"Origin": "https://other.example"})
    assert "Access-Control-Allow-Origin" not in other.headers
    assert other.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    ("origin", "status"),
    [("https://other.example", 403), ("null", 403), ("http://[", 403), ("http://localhost", 201), (None, 201)],
)
async def test_a_page_from_elsewhere_starts_nothing(
    autojump_clock: trio.abc.Clock, site: Site, origin: str | None, status: int
) -> None:
    headers = {"Host": "localhost", **({} if origin is None else {"Origin": origin})}
    body = b'{"agent": "echo", "prompt": "x"}'
    response = await site.request("POST", "/api/v1/tasks", headers=headers, data=body)
    assert response.status_code == status
    assert len((await site.get("/api/v1/tasks"))["tasks"]) == (1 if status == 201 else 0)
