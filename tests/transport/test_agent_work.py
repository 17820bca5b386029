"""Requests of one agent client: in their order, one at a time, cancelled and left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from actors.agent import Result, TaskContext
from actors.commands import TaskQuery, TaskState
from actors.event import Json
from actors.principal import ANONYMOUS
from actors.sessions import SessionsOptions
from actors.tool import ToolError
from tests.support.agent_client import AgentClient, agent_client
from tests.support.agents import AGENTS
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import EchoToolbox, Limits, World
from transport.agent_conversation import AgentServices
from transport.agent_work import WorkOptions
from transport.client_services import ClientOptions
from transport.roster import Roster


async def steered(task: TaskContext) -> Result:
    """Never ends where it is asked to stay; crashes, or echoes."""
    await task.message(task.prompt)
    if task.prompt == "stay":
        await trio.sleep_forever()
    if task.prompt == "crash":
        raise ValueError("broken")
    return Result(task.prompt)


class PickyToolbox(EchoToolbox):
    """Its one tool takes numbers alone."""

    async def call(self, name: str, arguments: Json) -> Json:
        result = await super().call(name, arguments)
        if not isinstance(result, dict) or "n" not in result:
            raise ToolError("echo: a number `n` is needed")
        return result


@asynccontextmanager
async def running(waiting: int = 32, grace: float = 60.0, agent: str = "steered") -> AsyncIterator[Gateway]:
    def own(world: World) -> AgentServices:
        work = WorkOptions(waiting, grace)
        return AgentServices(toolbox=PickyToolbox(), roster=Roster(), rooms=world.rooms, work=work)

    limits = Limits(sessions=SessionsOptions(default_agent=agent))
    options = ClientOptions(auth_required=False)
    async with running_gateway({**AGENTS, "steered": steered}, limits, options, agent_services=own) as gateway:
        yield gateway


async def begin(client: AgentClient, **fields: object) -> str:
    """Starts a query that never ends and returns its task, once a piece of its answer has come."""
    await client.send("streaming_query", query="stay", **fields)
    task_id: str = (await client.receive_until("stream_chunk"))[-1]["task_id"]
    return task_id


def state(gateway: Gateway, task_id: str) -> TaskState:
    return gateway.world.tasks.find(ANONYMOUS, task_id).record.state


async def test_requests_are_carried_out_in_the_order_sent() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        await client.send("streaming_query", query="one", id=1)
        await client.send("tool_call", tool_name="echo", params={"n": 2}, id=2)
        await client.send("agent_query", query="three", id=3)
        frames = await client.receive_until("agent_response")
        assert [(frame["type"], frame["id"]) for frame in frames] == [
            ("stream_start", 1),
            ("stream_chunk", 1),
            ("stream_end", 1),
            ("tool_result", 2),
            ("status", 3),
            ("agent_response", 3),
        ]


async def test_neither_a_ping_nor_a_cancel_waits_for_a_query() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        task_id = await begin(client, id="q")
        await client.send("tool_call", tool_name="echo", id="t")
        assert (await client.ask("ping"))["type"] == "pong"
        cancelled = await client.ask("cancel", id="c")
        assert (cancelled["type"], cancelled["id"]) == ("cancelled", "c")
        assert cancelled["requests"] == [{"id": "q"}, {"id": "t"}]
        # Not one frame of what was dropped follows.
        assert (await client.ask("agent_query", query="next", id="n"))["id"] == "n"
        assert (await client.receive())["content"] == "next"
        assert state(gateway, task_id) is TaskState.CANCELLED


async def test_a_cancel_that_finds_nothing_is_answered() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        for _ in range(2):
            assert (await client.ask("cancel"))["requests"] == []


async def test_a_query_cancelled_before_it_has_started_is_cancelled() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        await client.send("streaming_query", query="stay")
        await client.send("cancel")
        frames = await client.receive_until("cancelled")
        assert (await client.ask("ping"))["type"] == "pong"
        with trio.fail_after(10):
            await gateway.world.tasks.wait_quiet()
        assert "stream_end" not in {frame["type"] for frame in frames}


async def test_a_task_cancelled_elsewhere_ends_its_query() -> None:
    async with running() as gateway, agent_client(gateway) as client, gateway.client() as other:
        task_id = await begin(client, id=1)
        await other.request("task.action", {"action": "cancel", "task_id": task_id})
        ended = await client.receive()
        assert (ended["type"], ended["id"], ended["task_id"]) == ("cancelled", 1, task_id)
        assert (await client.ask("tool_call", tool_name="echo", params={"n": 1}))["type"] == "tool_result"


async def test_a_crash_is_told_and_the_next_request_served() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        await client.send("streaming_query", query="crash")
        error = (await client.receive_until("error"))[-1]["error"]
        assert error == "Streaming failed: ValueError: broken"
        await client.send("agent_query", query="well")
        assert (await client.receive_until("agent_response"))[-1]["content"] == "well"


async def test_a_full_queue_refuses_in_the_words_of_the_request() -> None:
    async with running(waiting=1) as gateway, agent_client(gateway) as client:
        await begin(client)
        await client.send("agent_query", query="waits")
        full = "1 requests of this connection wait already"
        assert (await client.ask("agent_query", query="x", id=1))["error"] == f"Query failed: {full}"
        assert (await client.ask("streaming_query", query="x"))["error"] == f"Streaming failed: {full}"
        assert (await client.ask("tool_call", tool_name="echo"))["error"] == f"Tool call failed: {full}"


async def test_an_agent_that_asks_is_answered_by_the_same_client() -> None:
    async with running(agent="asking") as gateway, agent_client(gateway) as client:
        await client.send("agent_query", query="deploy", id=1)
        waiting = (await client.receive_until("status"))[-1]
        if waiting["status"] == "processing":
            waiting = await client.receive()
        assert (waiting["status"], waiting["reason"], waiting["id"]) == ("waiting_confirmation", "May I?", 1)
        task_id = waiting["task_id"]
        await client.send("confirm", task_id=task_id, step_id=waiting["step_id"], approved=True, id=2)
        frames = {frame["type"]: frame for frame in [await client.receive(), await client.receive()]}
        assert (frames["confirmed"]["id"], frames["agent_response"]["content"]) == (2, "yes")
        again = await client.ask("confirm", task_id=task_id, step_id="s1", approved=True, id=3)
        assert (again["type"], again["id"]) == ("error", 3)


async def test_a_failing_tool_is_told() -> None:
    async with running() as gateway, agent_client(gateway) as client:
        error = (await client.ask("tool_call", tool_name="echo", params={}))["error"]
        assert error == "Tool call failed: echo: a number `n` is needed"


async def test_a_private_query_is_cancelled_when_its_client_is_gone() -> None:
    async with running(grace=0.01) as gateway:
        async with agent_client(gateway) as client:
            task_id = await begin(client)
            await client.send("agent_query", query="never begun")
            await client.ask("ping")
        with trio.fail_after(10):
            await gateway.world.tasks.wait_quiet()
        assert state(gateway, task_id) is TaskState.CANCELLED
        assert [task.prompt for task in gateway.world.tasks.page(ANONYMOUS, TaskQuery()).tasks] == ["stay"]


@pytest.mark.parametrize("watched", ["task_id", "session_id"])
async def test_a_query_that_somebody_watches_goes_on_without_its_client(watched: str) -> None:
    async with running(grace=0.01) as gateway, agent_client(gateway) as watcher:
        async with agent_client(gateway) as client:
            await client.send("streaming_query", query="stay")
            told = (await client.receive_until("stream_chunk"))[-1]
            await watcher.ask("watch", **{watched: told[watched]})
        await gateway.settled(1)
        # Longer than the time of grace nothing has had anything to do.
        await trio.testing.wait_all_tasks_blocked(0.1)
        assert state(gateway, told["task_id"]) is TaskState.RUNNING
