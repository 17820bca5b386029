"""The Python face of the steps: clients that are functions, and broadcasts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import trio

from actors.errors import CallboardError, ErrorCode
from tests.support.gateway import Gateway, running_gateway
from tests.support.steps import steps_socket
from tests.support.world import ALICE
from tests.transport.test_steps_socket import echo, greeted
from transport.dialects.steps import CancelTask, SubmitTask


class Inbox:
    """A client that keeps what it is sent."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._more = trio.Event()

    def send(self, text: str) -> None:
        self.messages.append(orjson.loads(text))
        self._more.set()

    async def until(self, kind: str) -> dict[str, Any]:
        with trio.fail_after(10):
            while True:
                for message in self.messages:
                    if message["type"] == kind:
                        return message
                self._more = trio.Event()
                await self._more.wait()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway({"echo": echo}) as running:
        yield running


async def test_a_client_that_is_a_function_gets_what_a_socket_gets(gateway: Gateway) -> None:
    agent, inbox = gateway.desk.agents.of("alice"), Inbox()
    agent.add_client("mine", inbox.send)
    async with steps_socket(gateway, "alice") as client:
        await greeted(client)
        await agent.submit(ALICE, SubmitTask("go", {}))
        await client.until_status("complete")
        assert inbox.messages == client.frames[2:]


async def test_a_broadcast_reaches_every_client_and_is_replayed(gateway: Gateway) -> None:
    agent = gateway.desk.agents.of("alice")
    async with steps_socket(gateway, "alice") as client:
        start = (await greeted(client))["eventId"]
        position = await agent.broadcast("custom", {"a": 1})
        told = await client.until("custom")
        assert (told["data"], told["eventId"]) == ({"a": 1}, str(position))
    async with steps_socket(gateway, "alice", start) as back:
        assert (await back.until("custom"))["eventId"] == str(position)


async def test_a_broadcast_is_told_by_the_gateway_to_its_user_alone(gateway: Gateway) -> None:
    async with gateway.client("alice") as alice, gateway.client("bob") as bob:
        for client in (alice, bob):
            await client.request("subscribe", {"channel": "system", "topics": ["broadcasts"]})
        await gateway.desk.agents.of("alice").broadcast("custom", {"a": 1})
        told = await alice.event()
        assert (told["topic"], told["event_type"], told["data"]) == ("broadcasts", "custom", {"a": 1})
        await bob.request("ping")
        assert bob.events == []


async def test_who_is_removed_or_raises_is_sent_nothing_more(gateway: Gateway) -> None:
    agent, kept, removed = gateway.desk.agents.of("alice"), Inbox(), Inbox()
    calls: list[str] = []

    def broken(text: str) -> None:
        calls.append(text)
        raise RuntimeError("no more")

    agent.add_client("broken", broken)
    agent.add_client("removed", removed.send)
    agent.add_client("kept", kept.send)
    agent.remove_client("removed")
    await agent.broadcast("one", {})
    await agent.broadcast("two", {})
    await kept.until("two")
    assert (len(calls), removed.messages) == (1, [])


async def test_what_is_not_there_is_refused(gateway: Gateway) -> None:
    agent = gateway.desk.agents.of("alice")
    with pytest.raises(CallboardError) as refused:
        await agent.cancel(ALICE, CancelTask("task-none"))
    assert refused.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(CallboardError) as refused:
        await agent.broadcast("not a type", {})
    assert refused.value.code is ErrorCode.INVALID_PAYLOAD
    with pytest.raises(CallboardError) as refused:
        await agent.submit(ALICE, SubmitTask("go", {}, agent="nobody"))
    assert refused.value.code is ErrorCode.NOT_FOUND
    assert not agent.busy


async def test_a_client_that_does_not_read_delays_nobody_and_misses_no_step(gateway: Gateway) -> None:
    agent = gateway.desk.agents.of("alice")
    big = "x" * 200_000
    async with steps_socket(gateway, "alice") as slow, steps_socket(gateway, "alice") as quick:
        await greeted(slow)
        await greeted(quick)
        for number in range(40):
            await agent.broadcast("big", {"number": number, "big": big})
            assert (await quick.until("big"))["data"]["number"] == number
        numbers = [(await slow.until("big"))["data"]["number"] for _ in range(40)]
        assert numbers == list(range(40))
