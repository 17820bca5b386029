"""An agent that runs elsewhere, over HTTP alone."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.transport.http.site import Json, Site

AGENT = {"name": "walker", "description": "Walks."}
BOARD = "/api/v1/channels/agent/walker/history"


async def offered(site: Site, **more: object) -> Json:
    """A task of alice's for olga's agent, on its board."""
    await site.post("/api/v1/agents", AGENT, user="o", status=201)
    task = await site.task("walker", "Walk on.", **more)
    await wait_all_tasks_blocked()
    return task


async def types(site: Site, task: Json) -> list[str]:
    page = await site.get(f"/api/v1/channels/task/{task['id']}/history")
    return [event["event_type"] for event in page["events"]]


async def test_registering_needs_the_scope_and_a_free_name(autojump_clock: trio.abc.Clock, site: Site) -> None:
    await site.post("/api/v1/agents", AGENT, user="a", status=403)
    first = await site.post("/api/v1/agents", AGENT, user="o", status=201)
    assert (first["channel"], first["topic"], first["position"].split(":")[1]) == ("agent", "walker", "0")
    again = await site.post("/api/v1/agents", {**AGENT, "description": "Runs."}, user="o", status=200)
    assert (again["description"], again["position"]) == ("Runs.", first["position"])
    await site.post("/api/v1/agents", AGENT, user="root", status=409)
    await site.post("/api/v1/agents", {**AGENT, "name": "echo"}, user="o", status=409)
    await site.post("/api/v1/agents", {**AGENT, "name": "a b"}, user="o", status=400)


async def test_agents_are_listed_without_telling_whose(autojump_clock: trio.abc.Clock, site: Site) -> None:
    await site.post("/api/v1/agents", AGENT, user="o", status=201)
    listed = (await site.get("/api/v1/agents"))["agents"]
    assert [(one["name"], one["remote"]) for one in listed] == [
        ("asking", False),
        ("calling", False),
        ("echo", False),
        ("failing", False),
        ("patient", False),
        ("walker", True),
    ]
    assert listed[2]["description"] == "Says what it was told."
    assert listed[-1]["user_id"] is None
    assert (await site.get("/api/v1/agents", user="o"))["agents"][-1]["user_id"] == "olga"


async def test_a_whole_life(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await offered(site, context={"pace": "slow"})
    (offer,) = (await site.get(BOARD, user="o"))["events"]
    assert (offer["event_type"], offer["data"]["task_id"]) == ("task.available", task["id"])
    path = f"/api/v1/tasks/{task['id']}"
    claim = await site.post(f"{path}/claim", user="o")
    assert (claim["prompt"], claim["context"], claim["lease_seconds"]) == ("Walk on.", {"pace": "slow"}, 60.0)
    assert claim["task"]["claimed_by"] == "olga"
    message = {"event_type": "agent.message", "data": {"content": "left "}}
    await site.post(f"{path}/events", {"events": [message, message], "idempotency_key": "1"}, user="o")
    await site.post(f"{path}/events", {"events": [message, message], "idempotency_key": "1"}, user="o")
    await site.post(f"{path}/events", message, user="o", Idempotency_Key="2")
    end = {"event_type": "task.completed", "data": {"result": "there"}}
    ended = await site.post(f"{path}/events", end, user="o")
    assert (ended["task"]["state"], ended["task"]["result"]) == ("completed", "there")
    seen = await types(site, task)
    assert seen == [
        "task.started",
        "task.turn_started",
        *["agent.message"] * 3,
        "task.turn_completed",
        "task.completed",
    ]
    await site.post(f"{path}/events", message, user="o", status=409)


async def test_nobody_else_speaks_for_the_agent(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await offered(site)
    path = f"/api/v1/tasks/{task['id']}"
    for suffix, body in (("claim", None), ("events", {"event_type": "x", "data": 1})):
        await site.post(f"{path}/{suffix}", body, user="b", status=404)
        await site.post(f"{path}/{suffix}", body, user="a", status=403)
    await site.post(f"{path}/events", {"event_type": "x", "data": 1}, user="o", status=409)
    await site.get(BOARD, user="a", status=404)


async def test_a_task_of_the_engine_is_not_claimed(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await site.task("patient")
    await site.post(f"/api/v1/tasks/{task['id']}/claim", status=403)


async def test_posting_renews_the_lease_and_silence_loses_it(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await offered(site)
    path = f"/api/v1/tasks/{task['id']}"
    await site.post(f"{path}/claim", user="o")
    for _ in range(3):
        await trio.sleep(50)
        await site.post(f"{path}/events", {"event_type": "agent.note", "data": None}, user="o")
    await trio.sleep(59)
    assert (await site.get(path))["state"] == "running"
    await trio.sleep(2)
    failed = await site.get(path)
    assert (failed["state"], failed["error"]["cause"]) == ("failed", "abandoned")
    assert (await types(site, task))[-1] == "task.failed"


async def test_a_cancellation_reaches_the_agent_with_its_next_post(autojump_clock: trio.abc.Clock, site: Site) -> None:
    task = await offered(site)
    path = f"/api/v1/tasks/{task['id']}"
    await site.post(f"{path}/claim", user="o")
    await site.post(f"{path}/cancel", status=202)
    receipt = await site.post(f"{path}/events", {"event_type": "agent.note", "data": 1}, user="o")
    assert receipt["cancel_requested"] is True
    ended = await site.post(f"{path}/events", {"event_type": "task.cancelled", "data": {}}, user="o")
    assert ended["task"]["state"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "`events`"),
        ({"event_type": "x"}, "`data`"),
        ({"data": 1}, "`events`"),
        ({"events": [{"data": 1}]}, "`event_type`"),
        ({"events": [], "event_type": "x", "data": 1}, "`events`"),
        ({"events": []}, "events"),
        ({"events": 3}, "$.events"),
        ({"event_type": "task.started", "data": 1}, "task.started"),
        (
            {"events": [{"event_type": "task.failed", "data": {}}, {"event_type": "x", "data": 1}]},
            "task.failed",
        ),
    ],
)
async def test_bad_posts_name_what_is_wrong(
    autojump_clock: trio.abc.Clock, site: Site, body: object, named: str
) -> None:
    task = await offered(site)
    await site.post(f"/api/v1/tasks/{task['id']}/claim", user="o")
    refused = await site.post(f"/api/v1/tasks/{task['id']}/events", body, user="o", status=400)
    assert named in refused["error"]["message"]
    assert await types(site, task) == ["task.started", "task.turn_started"]


async def test_tools_are_listed(autojump_clock: trio.abc.Clock, site: Site) -> None:
    tools = (await site.get("/api/v1/tools"))["tools"]
    assert tools == [
        {
            "name": "echo",
            "description": "Returns its arguments.",
            "category": "general",
            "parameters": {"type": "object"},
        }
    ]
