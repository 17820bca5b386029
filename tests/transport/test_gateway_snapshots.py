"""Who joins late asks for a snapshot: over a WebSocket, an event stream and a plain request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey, Merge, draft
from actors.retention import Retention
from actors.task_fold import TaskFold, TaskSnapshot
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import ALICE, BOB, Limits
from tests.transport.agents import AGENTS
from tests.transport.test_event_stream import connect
from tests.transport.test_gateway_socket import start_task

HEADERS = {"authorization": "Bearer alice"}


async def started(gateway: Gateway, words: int = 3) -> tuple[str, ChannelKey]:
    """A task that goes on, with some text in it."""
    task_id = await start_task(gateway)
    key = gateway.world.tasks.find(ALICE, task_id).key
    await trio.testing.wait_all_tasks_blocked()
    await say(gateway, key, *map(str, range(words)))
    return task_id, key


async def say(gateway: Gateway, key: ChannelKey, *words: str) -> None:
    drafts = [draft("agent.message", {"content": word}, merge=Merge.TEXT, merge_key="m") for word in words]
    await gateway.world.channels.publish(key, *drafts)


async def test_a_late_joiner_gets_a_snapshot_and_then_the_tail() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        task_id, key = await started(gateway)
        tail = gateway.world.channels.log(key).tail
        reply = await client.request("subscribe", {"channel": "task", "topics": [task_id], "snapshot": True})
        assert reply["payload"]["positions"][task_id]["offset"] == tail
        assert reply["payload"]["positions"][task_id]["recovered"] is True
        snapshot = await client.event()
        assert (snapshot["event_type"], snapshot["offset"], snapshot["from"]) == ("snapshot", tail, 1)
        assert snapshot["data"]["messages"]["m"] == "012"
        await say(gateway, key, "x")
        assert (await client.event())["offset"] == tail + 1


async def test_one_who_goes_on_without_a_gap_needs_none() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        task_id, key = await started(gateway)
        position = f"{gateway.world.channels.log(key).epoch}:2"
        asked = {"channel": "task", "topics": [task_id], "since": {task_id: position}, "snapshot": True}
        reply = await client.request("subscribe", asked)
        assert reply["payload"]["recovered"] is True
        assert (await client.event())["offset"] == 3


@pytest.mark.parametrize(("since", "reason"), [("other:1", "epoch"), ("{epoch}:99", "future"), ("0", "retention")])
async def test_one_whose_position_is_gone_gets_the_gap_and_then_the_snapshot(since: str, reason: str) -> None:
    limits = Limits(retention={"task": Retention(events=5)}, channels=ChannelsOptions())
    async with running_gateway(AGENTS, limits=limits) as gateway, gateway.client("alice") as client:
        task_id, key = await started(gateway, 10)
        log = gateway.world.channels.log(key)
        since = since.format(epoch=log.epoch)
        asked = {"channel": "task", "topics": [task_id], "since": {task_id: since}, "snapshot": True}
        reply = await client.request("subscribe", asked)
        assert reply["payload"]["recovered"] is False
        gap, snapshot = await client.event(), await client.event()
        assert (gap["event_type"], gap["data"]["reason"], gap["offset"]) == ("gap", reason, log.tail)
        assert (snapshot["event_type"], snapshot["offset"], snapshot["from"]) == ("snapshot", log.tail, log.first)
        await say(gateway, key, "x")
        assert (await client.event())["offset"] == log.tail


async def test_a_topic_that_is_held_goes_on_where_it_is() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        task_id, key = await started(gateway)
        await client.request("subscribe", {"channel": "task", "topics": [task_id]})
        await client.request("subscribe", {"channel": "task", "topics": [task_id], "snapshot": True})
        assert (await client.event())["event_type"] == "snapshot"
        await say(gateway, key, "x")
        assert (await client.event())["data"] == {"content": "x"}
        assert gateway.world.channels.statistics().subscriptions == 1


@pytest.mark.parametrize(
    ("asked", "code", "says"),
    [
        ({"channel": "app", "topics": ["news"]}, "INVALID_PAYLOAD", "the channel 'app' has no snapshots"),
        ({"channel": "task", "topics": []}, "INVALID_PAYLOAD", "`snapshot` is for `topics` that are named"),
        ({"channel": "task", "topics": ["task-x"]}, "NOT_FOUND", "task-x"),
        ({"channel": "nowhere", "topics": ["a"]}, "INVALID_CHANNEL", "no channel"),
        ({"channel": "task", "topics": list(map(str, range(17)))}, "INVALID_PAYLOAD", "at most 16 snapshots"),
    ],
)
async def test_is_refused_clearly_elsewhere(asked: dict[str, Any], code: str, says: str) -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        reply = await client.request("subscribe", {**asked, "snapshot": True})
        assert reply["type"] == "error"
        assert reply["payload"]["code"] == code
        assert says in reply["payload"]["message"]
        assert gateway.world.channels.statistics().subscriptions == 0


async def test_an_event_stream_begins_with_it() -> None:
    async with running_gateway(AGENTS) as gateway, await connect(gateway) as client:
        task_id, key = await started(gateway)
        log = gateway.world.channels.log(key)
        await client.get(f"/api/v1/channels/task/{task_id}/events?snapshot=1", HEADERS)
        greeting, snapshot = await client.event(), await client.event()
        position = f"{log.epoch}:{log.tail}"
        assert greeting.id == snapshot.id == position
        assert snapshot.event == "snapshot"
        assert msgspec.convert(snapshot.data, TaskSnapshot).messages["m"] == "012"
        await say(gateway, key, "x")
        assert (await client.event()).id == f"{log.epoch}:{log.tail}"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/channels/app/news/events?snapshot=1", 400),
        ("/api/v1/channels/task/none/events?snapshot=1", 404),
        ("/api/v1/channels/task/{task}/events?snapshot=maybe", 400),
    ],
)
async def test_an_event_stream_that_cannot_is_refused(path: str, status: int) -> None:
    async with running_gateway(AGENTS) as gateway, await connect(gateway) as client:
        task_id, _ = await started(gateway)
        await client.get(path.format(task=task_id), HEADERS)
        assert client.status == status


async def test_another_user_gets_none() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("bob") as client:
        task_id, _ = await started(gateway)
        assert BOB.user_id == "bob"
        reply = await client.request("subscribe", {"channel": "task", "topics": [task_id], "snapshot": True})
        assert reply["payload"]["code"] == "NOT_FOUND"


async def test_the_snapshot_and_the_tail_are_what_all_events_are() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        task_id, key = await started(gateway)
        await client.request("subscribe", {"channel": "task", "topics": [task_id], "snapshot": True})
        snapshot = await client.event()
        await say(gateway, key, "x", "y")
        await client.event()
        await client.event()
        log = gateway.world.channels.log(key)
        events = log.read(0, max_events=100, max_bytes=10**6)
        fold, late = TaskFold(), TaskFold()
        for event in events:
            fold.apply(event)
        taken = [event for event in events if event.offset <= snapshot["offset"]]
        for event in taken:
            late.apply(event)
        assert msgspec.json.decode(late.dump()) == snapshot["data"]
        for event in events[len(taken) :]:
            late.apply(event)
        assert late.dump() == fold.dump()
