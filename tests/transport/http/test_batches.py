from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.tasks import TasksOptions
from tests.support.world import Limits
from tests.transport.http.site import Site, open_site


def tasks(*agents: str) -> dict[str, object]:
    return {"tasks": [{"agent": agent, "prompt": "hi"} for agent in agents]}


async def test_a_batch_counts_its_tasks(autojump_clock: trio.abc.Clock, site: Site) -> None:
    batch = await site.post("/api/v1/batches", tasks("echo", "echo", "patient"), status=201)
    assert (len(batch["task_ids"]), batch["done"]) == (3, False)
    await wait_all_tasks_blocked()
    seen = await site.get(f"/api/v1/batches/{batch['id']}")
    assert (seen["counts"]["completed"], seen["counts"]["waiting"], seen["done"]) == (2, 1, False)
    await site.post(f"/api/v1/tasks/{batch['task_ids'][2]}/cancel", status=202)
    await wait_all_tasks_blocked()
    seen = await site.get(f"/api/v1/batches/{batch['id']}")
    assert (seen["counts"]["cancelled"], seen["done"]) == (1, True)
    assert (await site.get(f"/api/v1/tasks/{batch['task_ids'][0]}"))["batch_id"] == batch["id"]


async def test_one_bad_task_refuses_the_batch(autojump_clock: trio.abc.Clock, site: Site) -> None:
    await site.post("/api/v1/batches", tasks("echo", "nobody"), status=404)
    refused = await site.post(
        "/api/v1/batches", {"tasks": [{"agent": "echo", "prompt": "hi"}, {"agent": 1}]}, status=400
    )
    assert "$.tasks[1].agent" in refused["error"]["message"]
    await site.post("/api/v1/batches", {"tasks": []}, status=400)
    assert (await site.get("/api/v1/tasks"))["tasks"] == []


async def test_a_batch_beyond_the_limit_is_busy_and_starts_none(
    autojump_clock: trio.abc.Clock, nursery: trio.Nursery
) -> None:
    site = open_site(nursery, limits=Limits(tasks=TasksOptions(running=2)))
    response = await site.request(
        "POST", "/api/v1/batches", data=b'{"tasks":[%b]}' % b",".join([b'{"agent":"echo","prompt":""}'] * 3)
    )
    assert (response.status_code, response.headers["Retry-After"]) == (503, "1")
    assert (await site.get("/api/v1/tasks"))["tasks"] == []


async def test_a_batch_of_somebody_else_is_not_there(autojump_clock: trio.abc.Clock, site: Site) -> None:
    batch = await site.post("/api/v1/batches", tasks("echo"), status=201)
    await site.get(f"/api/v1/batches/{batch['id']}", user="b", status=404)
    assert (await site.get(f"/api/v1/batches/{batch['id']}", user="root"))["id"] == batch["id"]
