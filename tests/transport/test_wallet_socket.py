"""Sockets of wallets on a real port."""

from __future__ import annotations

import time
from typing import Any

import orjson
import pytest
import trio
from trio_websocket import ConnectionRejected

from actors.commands import AppendTurn, CancelTask, CreateSession, CreateTask, ExecSession
from actors.principal import Principal
from tests.support.gateway import Gateway, running_gateway
from tests.support.wallets import Wallet, wallet_client
from tests.transport.agents import AGENTS
from transport.client_services import ClientOptions
from transport.wallet_identity import WalletIdentity

ALICE, BOB = Wallet(1), Wallet(2)


def user(wallet: Wallet) -> Principal:
    return Principal(wallet.public_key)


async def open_conversation(gateway: Gateway, wallet: Wallet) -> str:
    return (await gateway.world.router.create_session(user(wallet), CreateSession(agent="echo"))).id


async def say(gateway: Gateway, wallet: Wallet, conversation: str, text: str) -> str:
    started = await gateway.world.router.exec_session(user(wallet), ExecSession(conversation, text))
    with trio.fail_after(10):
        while not gateway.world.tasks.find(user(wallet), started.exec_id).record.is_ended:
            await trio.testing.wait_all_tasks_blocked(0.005)
    return started.exec_id


async def all_gone(gateway: Gateway) -> None:
    with trio.fail_after(10):
        while gateway.wallets.sockets:
            await trio.testing.wait_all_tasks_blocked(0.005)


def said(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["message"]["content"][0]["text"] for frame in frames if frame["type"] == "new_message"]


async def test_every_socket_of_a_wallet_sees_all_and_no_other_wallet_anything() -> None:
    async with (
        running_gateway(AGENTS) as gateway,
        wallet_client(gateway, ALICE.headers()) as first,
        wallet_client(gateway, {}, f"/api/ws?publicKey={ALICE.public_key}") as second,
        wallet_client(gateway, BOB.headers()) as stranger,
    ):
        assert gateway.wallets.sockets == 3
        conversation = await open_conversation(gateway, ALICE)
        task_id = await say(gateway, ALICE, conversation, "hello")
        seen = await first.until("task_update", "completed")
        assert await second.until("task_update", "completed") == seen
        assert said(seen) == ["hello", "hello"]
        states = [frame["task"]["status"]["state"] for frame in seen if frame["type"] == "task_update"]
        assert (states[0], states[-1]) == ("submitted", "completed")
        assert {frame["conversation_id"] for frame in seen} == {conversation}
        assert seen[-1]["task"]["id"] == task_id
        await stranger.send('{"type":"ping","timestamp":1}')
        assert (await stranger.receive())["type"] == "pong"


async def test_what_came_while_the_wallet_was_away_follows_the_greeting_once() -> None:
    async with running_gateway(AGENTS) as gateway:
        conversation = await open_conversation(gateway, ALICE)
        async with wallet_client(gateway, ALICE.headers()) as client:
            await say(gateway, ALICE, conversation, "live")
            assert said(await client.until("task_update", "completed")) == ["live", "live"]
        await all_gone(gateway)
        for text in ("one", "two"):
            await say(gateway, ALICE, conversation, text)
        async with wallet_client(gateway, ALICE.headers()) as client:
            missed = [*await client.until("task_update", "completed"), *await client.until("task_update", "completed")]
            assert said(missed) == ["one", "one", "two", "two"]
        await all_gone(gateway)
        async with wallet_client(gateway, ALICE.headers()) as client:
            await client.send('{"type":"ping","timestamp":1}')
            assert (await client.receive())["type"] == "pong"


async def test_of_more_than_is_kept_the_newest_come_and_the_rest_is_told() -> None:
    async with running_gateway(AGENTS) as gateway:
        conversation = await open_conversation(gateway, ALICE)
        async with wallet_client(gateway, ALICE.headers()):
            pass
        await all_gone(gateway)
        for number in range(40):
            await say(gateway, ALICE, conversation, str(number))
        async with wallet_client(gateway, ALICE.headers()) as client:
            gap = await client.receive()
            assert gap["type"] == "error"
            assert gap["missed"] > 0
            frames = [await client.receive() for _ in range(100)]
            assert said(frames)[-2:] == ["39", "39"]
            await client.send('{"type":"ping","timestamp":1}')
            assert (await client.receive())["type"] == "pong"


async def test_a_task_that_runs_already_is_told_whole() -> None:
    async with running_gateway(AGENTS) as gateway:
        task = await gateway.world.router.create_task(user(ALICE), CreateTask(agent="sleeper", prompt="sleep"))
        await trio.testing.wait_all_tasks_blocked(0.01)
        async with wallet_client(gateway, ALICE.headers()) as client:
            await gateway.world.router.command_task(user(ALICE), CancelTask(task.id))
            last = (await client.until("task_update", "canceled"))[-1]["task"]
            assert last["history"] == [{"role": "user", "parts": [{"type": "text", "text": "sleep"}]}]


async def test_a_task_cancelled_before_it_begins_is_told() -> None:
    async with running_gateway(AGENTS) as gateway, wallet_client(gateway, ALICE.headers()) as client:
        router = gateway.world.router
        conversation = (await router.create_session(user(ALICE), CreateSession(agent="sleeper"))).id
        first = await router.exec_session(user(ALICE), ExecSession(conversation, "one"))
        await client.until("task_update", "working")
        second = await router.exec_session(user(ALICE), ExecSession(conversation, "two"))
        assert (await client.until("task_update", "submitted"))[-1]["task"]["id"] == second.exec_id
        await router.command_task(user(ALICE), CancelTask(second.exec_id))
        last = (await client.until("task_update", "canceled"))[-1]
        assert (last["task"]["id"], last["conversation_id"]) == (second.exec_id, conversation)
        await router.command_task(user(ALICE), CancelTask(first.exec_id))
        assert (await client.until("task_update", "canceled"))[-1]["task"]["id"] == first.exec_id


async def test_a_wait_for_the_next_turn_is_told_to_every_device_and_ends_by_it() -> None:
    async with (
        running_gateway(AGENTS) as gateway,
        wallet_client(gateway, ALICE.headers()) as phone,
        wallet_client(gateway, ALICE.headers()) as laptop,
    ):
        task = await gateway.world.router.create_task(user(ALICE), CreateTask(agent="patient", prompt="go"))
        for prompt in ("one", "stop"):
            for device in (phone, laptop):
                await device.until("task_update", "input-required")
            await gateway.world.router.command_task(user(ALICE), AppendTurn(task.id, prompt))
        for device in (phone, laptop):
            states = [one["task"]["status"]["state"] for one in await device.until("task_update", "completed")]
            assert states[0] == "working"


async def test_bad_frames_are_answered_and_the_socket_stays_open() -> None:
    async with running_gateway(AGENTS) as gateway, wallet_client(gateway, ALICE.headers()) as client:
        for text in ("", "{", "[]", '{"type":1}', '{"type":"dance","id":"x"}'):
            await client.send(text)
            assert (await client.receive())["type"] == "error"
        await client.send('{"type":"ping","timestamp":12345678901234567890.50}')
        assert await client.text() == '{"type":"pong","timestamp":12345678901234567890.50}'


async def test_too_many_frames_get_an_error() -> None:
    options = ClientOptions(auth_required=True, commands_per_second=1, commands_burst=1)
    async with running_gateway(AGENTS, options=options) as gateway, wallet_client(gateway, ALICE.headers()) as client:
        for _ in range(2):
            await client.send('{"type":"ping","id":5}')
        assert [(await client.receive())["type"] for _ in range(2)] == ["pong", "error"]


async def rejection(gateway: Gateway, headers: dict[str, str]) -> dict[str, Any]:
    with pytest.RaisesGroup(ConnectionRejected) as raised:
        async with wallet_client(gateway, headers):
            pass
    rejected = raised.value.exceptions[0]
    assert isinstance(rejected, ConnectionRejected)
    assert rejected.status_code == 401
    error: dict[str, Any] = orjson.loads(rejected.body or b"")["error"]
    return error


async def test_without_a_good_key_the_upgrade_is_refused() -> None:
    async with running_gateway(AGENTS) as gateway:
        for headers in ({}, {"X-Solana-PublicKey": "0OIl"}, {"X-Solana-PublicKey": "a" * 3000}):
            assert (await rejection(gateway, headers))["code"] == "UNAUTHORIZED"


async def test_where_a_signature_is_required_it_is_good_once() -> None:
    async with running_gateway(AGENTS) as gateway:
        gateway.wallets.identity = WalletIdentity(require_signature=True)
        assert "required" in (await rejection(gateway, ALICE.headers()))["message"]
        headers = ALICE.headers(str(int(time.time() * 1000) + 60_000))
        async with wallet_client(gateway, headers) as client:
            await client.send('{"type":"ping"}')
            assert (await client.receive())["type"] == "pong"
        assert "used already" in (await rejection(gateway, headers))["message"]
