"""Who comes late to the steps: tasks that ran before anybody listened, a buffer that has dropped what was missed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.gateway import Gateway, running_gateway
from tests.support.steps import steps_socket
from tests.support.world import ALICE
from tests.transport.test_steps_socket import echo, greeted
from transport.dialects.steps import ConfirmStep, SubmitTask
from transport.realtime_agent import RealtimeAgent, RealtimeOptions


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway({"echo": echo}) as running:
        yield running


async def test_a_task_that_ran_before_the_first_client_came_is_told_from_its_beginning(gateway: Gateway) -> None:
    async with gateway.client("alice") as starter:
        create = {"action": "create", "data": {"agent": "echo", "prompt": "ask"}}
        task_id = (await starter.request("task.action", create))["payload"]["task_id"]
        await starter.request("subscribe", {"channel": "task", "topics": [task_id], "since": {task_id: "0"}})
        await starter.events_until("step.confirm")
        async with steps_socket(gateway, "alice") as client:
            await greeted(client)
            assert (await client.until("plan:created"))["data"]["taskId"] == task_id
            await client.until("waiting:confirmation")
            await client.send("step:confirm", {"stepId": "s1", "approved": True})
            assert (await client.until("task:complete"))["data"]["success"] is True


async def test_what_the_buffer_has_dropped_is_a_gap_and_the_plan_is_told_anew(gateway: Gateway) -> None:
    agent = gateway.desk.agents.of("alice")
    async with steps_socket(gateway, "alice") as client:
        start = (await greeted(client))["eventId"]
        await agent.submit(ALICE, SubmitTask("ask", {}))
        await client.until_status("waiting")
        for number in range(101):
            await agent.broadcast("custom", {"number": number})
        await client.until("custom", number=100)
    async with steps_socket(gateway, "alice", start) as back:
        assert (await greeted(back))["data"]["recovered"] is False
        assert [(await back.receive())["type"] for _ in range(2)] == ["plan:created", "waiting:confirmation"]
        gap = await back.receive()
        assert (gap["type"], gap["data"]["reason"]) == ("gap", "retention")
        numbers = [(await back.receive())["data"]["number"] for _ in range(100)]
        assert numbers == list(range(1, 101))


async def test_who_is_forgotten_and_comes_back_finds_the_task_that_runs(gateway: Gateway) -> None:
    options = RealtimeOptions("echo")
    async with steps_socket(gateway, "alice") as client:
        await greeted(client)
        await client.send("task:submit", {"task": "ask"})
        await client.until_status("waiting")
        again = RealtimeAgent("alice", gateway.world.router, gateway.world.feeds, options)
        again.open()
        assert b'"waiting"' in again.status().body
        await again.confirm(ALICE, ConfirmStep("s1", True, None))
        await client.until("task:complete", success=True)
