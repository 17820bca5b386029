"""Snapshots over HTTP: as an answer, and at the head of an event stream that passes through the application."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.transport.http.site import Site
from tests.transport.http.test_event_stream import Reader


async def ended_task(site: Site) -> str:
    task_id: str = (await site.task("echo", "hi"))["id"]
    await wait_all_tasks_blocked()
    return task_id


async def test_a_snapshot_names_the_position_to_go_on_from(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task_id = await ended_task(site)
    snapshot = await site.get(f"/api/v1/channels/task/{task_id}/snapshot")
    history = await site.get(f"/api/v1/channels/task/{task_id}/history")
    assert snapshot["position"] == history["position"]
    assert snapshot["from"] == 1
    assert (snapshot["data"]["state"], snapshot["data"]["prompt"]) == ("completed", "hi")
    assert snapshot["timestamp"] == history["events"][-1]["timestamp"]


@pytest.mark.parametrize(("path", "status"), [("app/news", 400), ("task/none", 404), ("nowhere/a", 404)])
async def test_what_has_none(autojump_clock: trio.abc.Clock, site: Site, path: str, status: int) -> None:
    await site.get(f"/api/v1/channels/{path}/snapshot", status=status)


async def test_a_stream_begins_with_it(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task_id = await ended_task(site)
    async with site.stream(f"/api/v1/channels/task/{task_id}/events?snapshot=1") as connection:
        reader = Reader(connection)
        greeting, snapshot = await reader.block(), await reader.block()
        assert snapshot["event"] == "snapshot"
        assert greeting["id"] == snapshot["id"]
