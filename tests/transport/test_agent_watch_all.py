"""A client of the agent dialect that watches whatever its user starts, and ends it."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from actors import pace as pace_module
from actors.event import ChannelKey
from actors.pace import Pace
from tests.support.agent_client import AgentClient, agent_client
from tests.support.agents import AGENTS
from tests.support.gateway import Gateway, running_gateway


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(AGENTS) as running:
        yield running


async def start(gateway: Gateway, user: str, agent: str) -> str:
    """A task of the user, over the gateway; returns its id."""
    async with gateway.client(user) as client:
        data = {"agent": agent, "prompt": "hello"}
        reply = await client.request("task.action", {"action": "create", "data": data})
        task_id: str = reply["payload"]["task_id"]
        return task_id


async def watch_all(client: AgentClient) -> None:
    reply = await client.ask("watch", channel="task", id=1)
    assert (reply["type"], reply["channel"], reply["id"]) == ("watching", "task", 1)


async def test_tasks_of_the_user_and_of_nobody_else_are_seen_without_being_named(gateway: Gateway) -> None:
    async with agent_client(gateway, "alice") as client:
        await watch_all(client)
        await start(gateway, "bob", "echo")
        task_id = await start(gateway, "alice", "echo")
        frames = await client.receive_until("stream_end")
        assert {frame["task_id"] for frame in frames} == {task_id}
        assert [frame["content"] for frame in frames if frame["type"] == "stream_chunk"] == ["hello"]


async def test_a_task_that_is_cancelled_by_its_id_is_told_to_end_once(gateway: Gateway) -> None:
    async with agent_client(gateway, "alice") as client:
        await watch_all(client)
        task_id = await start(gateway, "alice", "forever")
        await client.receive_until("stream_chunk")
        await client.send("cancel", task_id=task_id, request_id="c")
        # The reply may come before or after the end.
        first, second = sorted([await client.receive(), await client.receive()], key=lambda frame: len(frame["type"]))
        assert (first["type"], first["task_id"]) == ("cancelled", task_id)
        assert (second["type"], second["request_id"]) == ("cancel_accepted", "c")
        assert (await client.ask("ping"))["type"] == "pong"


async def test_somebody_else_s_task_cannot_be_cancelled(gateway: Gateway) -> None:
    async with agent_client(gateway, "alice") as client:
        task_id = await start(gateway, "bob", "forever")
        refused = await client.ask("cancel", task_id=task_id, id=3)
        assert (refused["type"], refused["id"]) == ("error", 3)
        assert not gateway.world.tasks.find(gateway.verifier.principals["bob"], task_id).record.is_ending


async def test_what_is_let_go_is_not_seen_any_more(gateway: Gateway) -> None:
    async with agent_client(gateway, "alice") as client:
        await watch_all(client)
        assert (await client.ask("unwatch", channel="task"))["type"] == "unwatched"
        await start(gateway, "alice", "echo")
        assert (await client.ask("ping"))["type"] == "pong"


async def test_a_query_of_the_client_s_own_is_both_answered_and_watched(gateway: Gateway) -> None:
    async with agent_client(gateway, "alice") as client:
        await watch_all(client)
        await client.send("streaming_query", query="hello", id=1)
        frames = await client.receive_until("stream_end") + await client.receive_until("stream_end")
        own = [frame["type"] for frame in frames if frame.get("id") == 1]
        watched = [frame["type"] for frame in frames if "position" in frame]
        assert own[0] == watched[0] == "stream_start"
        assert (own[-1], watched[-1]) == ("stream_end", "stream_end")


async def test_very_many_tasks_are_watched_and_left_in_slices(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = map(float, itertools.count(0, 3600))
    monkeypatch.setattr(pace_module, "Pace", lambda: Pace(hours.__next__))
    channels = gateway.world.channels
    keys = [ChannelKey("task", f"task-{number}", "alice") for number in range(300)]
    for key in keys:
        channels.create(key)
    async with agent_client(gateway, "alice") as client:
        await watch_all(client)
        # It is read on once all of them are watched.
        assert (await client.ask("ping"))["type"] == "pong"
        assert channels.statistics().subscriptions == len(keys)
        assert (await client.ask("unwatch", channel="task"))["type"] == "unwatched"
        assert (await client.ask("ping"))["type"] == "pong"
        assert channels.statistics().subscriptions == 0
