"""The gateway dialect over real sockets, seen by a client that nobody here wrote."""

from __future__ import annotations

import contextlib
import time

import pytest
import trio
from trio_websocket import ConnectionClosed

from actors.commands import CreateSession, CreateTask
from tests.support.gateway import Gateway, running_gateway
from tests.support.gateway_client import Client
from tests.support.world import ALICE
from tests.transport.agents import AGENTS
from transport.client_services import ClientOptions


async def start_task(gateway: Gateway, agent: str = "patient") -> str:
    return (await gateway.world.router.create_task(ALICE, CreateTask(agent=agent, prompt="go"))).id


async def closing(client: Client) -> tuple[int, str | None]:
    """The code and reason with which the server closes."""
    with trio.fail_after(10):
        while client.socket.closed is None:
            with contextlib.suppress(ConnectionClosed):
                await client.socket.get_message()
    return client.socket.closed.code, client.socket.closed.reason


async def test_a_task_is_created_watched_and_steered_over_one_socket() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        reply = await client.request("subscribe", {"channel": "task", "topics": []})
        assert reply["type"] == "subscribed"
        assert reply["payload"]["success"] is True
        made = await client.request("task.action", {"action": "create", "data": {"agent": "patient", "prompt": "hi"}})
        task_id = made["payload"]["task_id"]
        assert made["payload"]["success"] is True
        seen = await client.events_until("task.waiting")
        assert [event["event_type"] for event in seen] == ["task.started", "task.turn_started", "task.waiting"]
        turn = await client.request("task.action", {"task_id": task_id, "action": "append_turn", "data": "one two"})
        assert turn["payload"]["turn"] == 2
        seen += await client.events_until("agent.message")
        assert [event["event_type"] for event in seen][3:] == ["task.turn_started", "agent.message"]
        assert [event["offset"] for event in seen] == list(range(1, len(seen) + 1))
        receipt = await client.request("task.action", {"task_id": task_id, "action": "cancel"})
        assert receipt["payload"]["state"] in ("cancelling", "cancelled")
        assert (await client.events_until("task.cancelled"))[-1]["topic"] == task_id


async def test_a_task_runs_on_when_its_client_has_gone() -> None:
    async with running_gateway(AGENTS) as gateway:
        async with gateway.client("alice") as gone:
            order = {"action": "create", "data": {"agent": "patient", "prompt": "hi"}}
            task_id = (await gone.request("task.action", order))["payload"]["task_id"]
        await gateway.settled()
        async with gateway.client("alice", "another device") as client:
            await client.request("subscribe", {"channel": "task", "topics": [task_id]})
            turn = await client.request("task.action", {"task_id": task_id, "action": "append_turn", "data": "stop"})
            assert turn["payload"]["success"] is True
            assert (await client.events_until("task.completed"))[-1]["data"]["result"] == "stopped"


async def test_the_reply_names_the_position_before_the_first_event() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        task_id = await start_task(gateway)
        log = gateway.world.channels.log(gateway.world.tasks.find(ALICE, task_id).key)
        reply = await client.request(
            "subscribe",
            {"channel": "task", "topics": [task_id], "since": {task_id: {"epoch": log.epoch, "offset": 1}}},
        )
        assert reply["payload"]["positions"][task_id] == {"epoch": log.epoch, "offset": 1, "recovered": True}
        assert reply["payload"]["recovered"] is True
        assert (await client.event())["offset"] == 2


@pytest.mark.parametrize(
    ("since", "reason"),
    [("otherepoch:1", "epoch"), ("{epoch}:99", "future")],
)
async def test_a_position_that_cannot_be_resumed_is_an_explicit_gap(since: str, reason: str) -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        task_id = await start_task(gateway)
        log = gateway.world.channels.log(gateway.world.tasks.find(ALICE, task_id).key)
        asked = {"channel": "task", "topics": [task_id], "since": {task_id: since.format(epoch=log.epoch)}}
        reply = await client.request("subscribe", asked)
        assert reply["payload"]["recovered"] is False
        gap = await client.event()
        assert gap["event_type"] == "gap"
        assert gap["data"]["reason"] == reason
        assert gap["data"].keys() == {"from", "to", "reason"}


async def test_all_and_one_deliver_once_and_one_may_be_dropped() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        await client.request("subscribe", {"channel": "task", "topics": []})
        task_id = await start_task(gateway)
        await client.request("subscribe", {"channel": "task", "topics": [task_id]})
        await client.request("unsubscribe", {"channel": "task", "topics": [task_id]})
        await client.request("task.action", {"task_id": task_id, "action": "append_turn", "data": "stop"})
        seen = await client.events_until("task.completed")
        offsets = [event["offset"] for event in seen]
        assert offsets == sorted(set(offsets))
        await client.request("unsubscribe", {"channel": "task", "topics": []})
        await start_task(gateway, "echo")
        await client.request("ping")
        assert client.events == []


async def test_a_confirmation_is_answered_by_the_first_device() -> None:
    async with running_gateway(AGENTS) as gateway:
        task_id = await start_task(gateway, "asking")
        async with gateway.client("alice", "phone") as phone, gateway.client("alice", "desk") as desk:
            for client in (phone, desk):
                await client.request("subscribe", {"channel": "task", "topics": [task_id]})
                assert (await client.event())["event_type"] == "step.confirm"
            answer = {"task_id": task_id, "action": "confirm", "data": {"step_id": "s1", "approved": True}}
            assert (await phone.request("task.action", answer))["payload"]["success"] is True
            assert (await desk.request("task.action", answer))["payload"]["success"] is False
            assert (await desk.events_until("task.completed"))[-1]["data"]["result"] == "yes"


async def test_exec_in_a_session_streams_output_then_done() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        session = gateway.world.sessions.create(ALICE, CreateSession(agent="echo"))
        await client.request("subscribe", {"channel": "session", "topics": [session.id]})
        reply = await client.request("session.exec", {"session_id": session.id, "command": "say hi"})
        assert reply["type"] == "session.output"
        assert reply["payload"]["type"] == "started"
        seen = await client.events_until("done")
        assert [event["event_type"] for event in seen] == ["message", "input", "output", "message", "done"]
        assert {event["data"].get("exec_id") for event in (seen[1], seen[-1])} == {reply["payload"]["exec_id"]}


async def test_two_users_never_see_each_other() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client("bob") as bob:
        task_id = await start_task(gateway)
        refused = await bob.request("subscribe", {"channel": "task", "topics": [task_id]})
        assert (refused["type"], refused["payload"]["code"]) == ("error", "NOT_FOUND")
        acted = await bob.request("task.action", {"task_id": task_id, "action": "cancel"})
        assert acted["type"] == "task.result"
        assert acted["payload"]["success"] is False
        await bob.request("subscribe", {"channel": "task", "topics": []})
        await bob.request("subscribe", {"channel": "system", "topics": []})
        await start_task(gateway, "echo")
        await bob.request("ping")
        assert bob.events == []


async def test_the_same_device_replaces_its_older_socket() -> None:
    async with (
        running_gateway(AGENTS) as gateway,
        gateway.client("alice", "phone") as older,
        gateway.client("alice", "phone") as newer,
    ):
        assert (await closing(older))[0] == 4409
        assert (await newer.request("ping"))["type"] == "pong"


async def test_a_failed_auth_leaves_the_socket_open() -> None:
    async with running_gateway(AGENTS) as gateway, gateway.client() as client:
        assert (await client.request("ping"))["type"] == "pong"
        early = await client.request("subscribe", {"channel": "task", "topics": []})
        assert early["payload"]["code"] == "UNAUTHORIZED"
        failed = await client.request("auth", {"token": "expired"})
        assert failed["type"] == "auth.result"
        assert failed["payload"] == {"success": False, "message": "the token has expired"}
        assert (await client.login("alice"))["payload"]["user_id"] == "alice"


async def test_no_auth_in_time_closes() -> None:
    options = ClientOptions(auth_required=True, auth_seconds=0.05)
    async with running_gateway(AGENTS, options=options) as gateway, gateway.client() as client:
        assert (await closing(client))[0] == 4401


async def test_without_required_auth_a_socket_is_anonymous() -> None:
    options = ClientOptions(auth_required=False)
    async with running_gateway(AGENTS, options=options) as gateway, gateway.client() as client:
        reply = await client.request("subscribe", {"channel": "task", "topics": []})
        assert reply["type"] == "subscribed"
        assert (await client.login("alice"))["payload"]["user_id"] == "alice"


async def test_an_expired_credential_closes_unless_it_was_renewed() -> None:
    async with running_gateway(AGENTS) as gateway:
        past, future = time.time() - 1, time.time() + 1000
        async with gateway.client(f"alice@{past}", "a") as old, gateway.client(f"alice@{past}", "b") as renewed:
            await renewed.login(f"alice@{future}", "b")
            await gateway.world.connections.round(trio.current_time(), time.time())
            assert (await closing(old))[0] == 4401
            assert (await renewed.request("ping"))["type"] == "pong"


async def test_commands_beyond_the_rate_get_an_error() -> None:
    options = ClientOptions(auth_required=False, commands_per_second=1, commands_burst=3)
    async with running_gateway(AGENTS, options=options) as gateway, gateway.client() as client:
        replies = [await client.request("ping") for _ in range(4)]
        assert [reply["type"] for reply in replies] == ["pong", "pong", "pong", "error"]
        assert replies[-1]["payload"]["code"] == "RATE_LIMITED"
        assert replies[-1]["payload"]["retry_after_ms"] > 0
