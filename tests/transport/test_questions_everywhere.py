"""An open question reaches every device that connects, whatever it speaks; any of them may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
import trio.testing

from actors.commands import CreateSession, CreateTask
from actors.event import draft
from actors.principal import Principal
from tests.support.agent_client import AgentClient, agent_client
from tests.support.event_stream import StreamClient
from tests.support.gateway import Gateway, running_gateway
from tests.support.steps import StepsSocket, steps_socket
from tests.support.wallets import Wallet, wallet_client
from tests.transport.agents import AGENTS

ALICE = Wallet(1)
KEY = ALICE.public_key
"""The same user in all of them."""
ASKS = {"asking": "step.confirm", "calling": "agent.client_tool_call"}
LOST = 10_000
"""Events after which a task's topic has none of what was before."""


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running_gateway(AGENTS) as running:
        running.verifier.principals[KEY] = Principal(KEY)
        yield running


async def begin(gateway: Gateway, agent: str) -> str:
    task = await gateway.world.router.create_task(Principal(KEY), CreateTask(agent=agent, prompt="go"))
    await trio.testing.wait_all_tasks_blocked(0.01)
    return task.id


async def lose_events(gateway: Gateway, task_id: str) -> None:
    task = gateway.world.tasks.find(Principal(KEY), task_id)
    await gateway.world.channels.emit(task.key, *[draft("note", number) for number in range(LOST)])
    assert gateway.world.channels.log(task.key).first > 1


async def watching(client: AgentClient, task_id: str) -> dict[str, Any]:
    assert (await client.ask("watch", task_id=task_id))["type"] == "watching"
    return await client.receive()


async def waiting(client: StepsSocket, kind: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.until(kind))["data"]
    return found


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("agent", ASKS)
async def test_it_is_asked_in_every_dialect(gateway: Gateway, agent: str, lost: bool) -> None:
    task_id = await begin(gateway, agent)
    if lost:
        await lose_events(gateway, task_id)
    for _ in range(2):
        async with gateway.client(KEY) as client:
            await client.request("subscribe", {"channel": "task", "topics": [task_id]})
            assert (await client.event())["event_type"] == ASKS[agent]
        async with StreamClient(await trio.open_tcp_stream("127.0.0.1", gateway.port)) as stream:
            await stream.get(f"/api/v1/channels/task/{task_id}/events", {"Authorization": f"Bearer {KEY}"})
            assert [(await stream.event()).event for _ in range(2)] == ["subscribed", ASKS[agent]]
        async with agent_client(gateway, KEY) as watcher:
            asked = await watching(watcher, task_id)
            assert (asked["event_type"], asked["task_id"]) == (ASKS[agent], task_id)
        async with steps_socket(gateway, KEY) as steps:
            kind = "waiting:confirmation" if agent == "asking" else "waiting:tool"
            assert (await waiting(steps, kind))["taskId"] == task_id
        async with wallet_client(gateway, ALICE.headers()) as wallet:
            update = (await wallet.until("task_update", "input-required"))[-1]["task"]
            assert len(update["questions" if agent == "asking" else "tool_calls"]) == 1


async def test_the_first_answer_wins_and_the_others_are_told_in_their_own_words(gateway: Gateway) -> None:
    task_id = await begin(gateway, "calling")
    async with (
        gateway.client(KEY, "phone") as phone,
        agent_client(gateway, KEY) as watcher,
        steps_socket(gateway, KEY) as steps,
    ):
        await phone.request("subscribe", {"channel": "task", "topics": [task_id]})
        await watching(watcher, task_id)
        await waiting(steps, "waiting:tool")
        answer = {"task_id": task_id, "action": "tool_result", "data": {"call_id": "call-1", "result": "hi"}}
        assert (await phone.request("task.action", answer))["payload"]["success"] is True
        said = (await steps.until("tool:answered"))["data"]
        assert (said["by"], said["result"]) == (KEY, "hi")
        late = (await phone.request("task.action", answer))["payload"]
        assert (late["success"], late["details"]["answered_by"]) == (False, KEY)
        assert (late["details"]["answered_on"], late["details"]["success"]) == ("phone", True)
        assert "(device phone)" in late["message"]
        await watcher.send("client_tool_result", task_id=task_id, call_id="call-1", error="no", id=5)
        refused = (await watcher.receive_until("error"))[-1]
        assert (refused["id"], refused["details"]["answered_on"]) == (5, "phone")
        await steps.send("tool:result", {"callId": "call-1", "taskId": task_id, "result": 1})
        assert (await steps.until("error"))["data"]["details"]["answered_by"] == KEY


@pytest.mark.parametrize("dialect", ["agent", "steps"])
async def test_each_may_answer(gateway: Gateway, dialect: str) -> None:
    task_id = await begin(gateway, "calling")
    async with gateway.client(KEY) as client:
        await client.request("subscribe", {"channel": "task", "topics": [task_id]})
        if dialect == "agent":
            async with agent_client(gateway, KEY) as watcher:
                taken = await watcher.ask("client_tool_result", task_id=task_id, call_id="call-1", result=1, id=5)
                assert (taken["type"], taken["call_id"], taken["id"]) == ("client_tool_answered", "call-1", 5)
        else:
            async with steps_socket(gateway, KEY) as steps:
                await waiting(steps, "waiting:tool")
                await steps.send("tool:result", {"callId": "call-1", "result": 1})
                await steps.until("task:complete", success=True)
        assert (await client.events_until("task.completed"))[-1]["data"]["result"] == "got 1"


async def test_who_has_asked_an_agent_is_told_of_the_call(gateway: Gateway) -> None:
    async with agent_client(gateway, KEY) as client:
        session = await gateway.world.router.create_session(Principal(KEY), CreateSession(agent="calling"))
        await client.send("agent_query", query="go", session_id=session.id, id=1)
        status = await client.receive()
        while status["status"] != "waiting_client_tool":
            status = await client.receive()
        assert (status["name"], status["arguments"], status["id"]) == ("clipboard", {"format": "text"}, 1)
        await client.send("client_tool_result", task_id=status["task_id"], call_id=status["call_id"], result="hi")
        assert (await client.receive_until("agent_response"))[-1]["content"] == "got hi"
