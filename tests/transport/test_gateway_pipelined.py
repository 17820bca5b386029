"""Several requests in one packet: answered in order, before what they set off, none waiting for a slow one behind."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import trio
import trio.testing
from wsproto.events import TextMessage

from actors.commands import CreateTask, Publish
from actors.errors import CallboardError, ErrorCode
from actors.event import draft
from actors.principal import Principal
from tests.support.gateway import running_gateway
from tests.support.raw_websocket import RawWebSocket, text_frame
from tests.support.world import ALICE, PUBLISHER
from tests.transport.agents import AGENTS


async def frames(client: RawWebSocket, count: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(count):
        event = await client.next()
        assert isinstance(event, TextMessage)
        found.append(orjson.loads(event.data))
    return found


def ping(named: int) -> bytes:
    return text_frame({"id": named, "type": "ping"})


async def test_replies_keep_their_order_and_events_come_behind_their_own() -> None:
    async with running_gateway(AGENTS) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.login("alice")
        for number in range(3):
            await gateway.world.router.publish(PUBLISHER, Publish("app", "news", draft("number", number)))
        payload = {"channel": "app", "topics": ["news"], "since": {"news": "0"}}
        await client.send(ping(1) + text_frame({"id": 2, "type": "subscribe", "payload": payload}) + ping(3))
        found = await frames(client, 6)
        assert [each["id"] for each in found if each["type"] != "event"] == [1, 2, 3]
        kinds = [each["type"] for each in found]
        assert kinds.index("event") > kinds.index("subscribed")
        assert [each["payload"]["data"] for each in found if each["type"] == "event"] == [0, 1, 2]


async def test_an_open_question_comes_behind_the_reply_of_the_subscription() -> None:
    async with running_gateway(AGENTS) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.login("alice")
        task = await gateway.world.router.create_task(ALICE, CreateTask(agent="asking", prompt="go"))
        with trio.fail_after(10):
            while not gateway.world.router.tasks.asking(ALICE):
                await trio.testing.wait_all_tasks_blocked()
        payload = {"channel": "task", "topics": [task.id]}
        await client.send(ping(1) + text_frame({"id": 2, "type": "subscribe", "payload": payload}) + ping(3))
        found = await frames(client, 4)
        kinds = [each["type"] for each in found]
        assert kinds.index("event") > kinds.index("subscribed")
        assert [each["payload"]["event_type"] for each in found if each["type"] == "event"] == ["step.confirm"]


async def test_what_is_answered_already_does_not_wait_for_a_slow_command(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = trio.Event()

    async def verify(token: str) -> Principal:
        await go_on.wait()
        raise CallboardError(ErrorCode.UNAUTHORIZED, "late, and no")

    async with running_gateway(AGENTS) as gateway, await RawWebSocket.open(gateway.port) as client:
        monkeypatch.setattr(gateway.verifier, "verify", verify)
        slow = text_frame({"id": 2, "type": "auth", "payload": {"token": "alice"}})
        await client.send(ping(1) + slow + ping(3))
        assert [each["id"] for each in await frames(client, 1)] == [1]
        go_on.set()
        assert [(each["id"], each["type"]) for each in await frames(client, 2)] == [(2, "auth.result"), (3, "pong")]
