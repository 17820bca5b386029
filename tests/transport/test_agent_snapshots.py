"""Who joins a task late over the agent dialect asks for its snapshot."""

from __future__ import annotations

from actors.commands import CreateSession
from actors.event import ChannelKey, draft
from actors.task_fold import TaskFold
from tests.support.agent_client import agent_client
from tests.support.gateway import running_gateway
from tests.support.world import ALICE
from tests.transport.agents import AGENTS
from tests.transport.test_gateway_snapshots import say, started


async def test_a_late_watcher_gets_a_snapshot_and_then_the_tail() -> None:
    async with running_gateway(AGENTS) as gateway, agent_client(gateway, "alice") as client:
        task_id, key = await started(gateway)
        log = gateway.world.channels.log(key)
        asked = await client.ask("watch", task_id=task_id, snapshot=True, id="w")
        place = f"{log.epoch}:{log.tail}"
        assert (asked["type"], asked["position"], asked["recovered"], asked["id"]) == ("watching", place, True, "w")
        snapshot = await client.receive()
        assert (snapshot["type"], snapshot["task_id"], snapshot["position"]) == ("snapshot", task_id, place)
        assert snapshot["from"] == 1
        assert snapshot["data"]["messages"] == {"m": "012"}
        await say(gateway, key, "x")
        chunk = await client.receive()
        assert (chunk["type"], chunk["content"], chunk["position"]) == ("stream_chunk", "x", f"{log.epoch}:{log.tail}")
        fold = TaskFold()
        for event in log.in_memory():
            fold.apply(event)
        assert fold.snapshot().messages["m"] == snapshot["data"]["messages"]["m"] + chunk["content"]


async def test_one_who_goes_on_without_a_gap_gets_what_followed() -> None:
    async with running_gateway(AGENTS) as gateway, agent_client(gateway, "alice") as client:
        task_id, key = await started(gateway)
        log = gateway.world.channels.log(key)
        since = f"{log.epoch}:{log.tail - 1}"
        asked = await client.ask("watch", task_id=task_id, snapshot=True, since=since)
        assert (asked["position"], asked["recovered"]) == (since, True)
        assert (await client.receive())["content"] == "2"


async def test_one_whose_position_is_of_another_life_gets_a_gap_and_the_snapshot() -> None:
    async with running_gateway(AGENTS) as gateway, agent_client(gateway, "alice") as client:
        task_id, _ = await started(gateway)
        asked = await client.ask("watch", task_id=task_id, snapshot=True, since="gone:2")
        assert asked["recovered"] is False
        kinds = [(await client.receive())["type"] for _ in range(2)]
        assert kinds == ["gap", "snapshot"]


async def test_a_session_has_one_too() -> None:
    async with running_gateway(AGENTS) as gateway, agent_client(gateway, "alice") as client:
        session = await gateway.world.router.create_session(ALICE, CreateSession(title="talk"))
        key = ChannelKey("session", session.id, ALICE.user_id)
        await gateway.world.channels.publish(key, draft("message", {"content": "hello"}))
        asked = await client.ask("watch", session_id=session.id, snapshot=True)
        assert (asked["type"], asked["session_id"]) == ("watching", session.id)
        snapshot = await client.receive()
        assert (snapshot["type"], snapshot["session_id"]) == ("snapshot", session.id)
        assert snapshot["data"]["messages"] == [{"content": "hello"}]


async def test_what_cannot_be_is_refused_and_the_socket_stays_open() -> None:
    async with running_gateway(AGENTS) as gateway, agent_client(gateway, "bob") as client:
        task_id, _ = await started(gateway)
        for fields in ({"task_id": task_id}, {"channel": "task"}, {"task_id": task_id, "snapshot": "yes"}):
            refused = await client.ask("watch", **{"snapshot": True, "id": 3, **fields})
            assert (refused["type"], refused["id"]) == ("error", 3)
        assert (await client.ask("ping"))["type"] == "pong"
