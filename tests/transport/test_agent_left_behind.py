"""A query whose client is gone: it goes on while somebody sees it, and else for a time of grace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from actors.agent import Result, TaskContext
from actors.commands import TaskState
from actors.retention import Retention
from actors.sessions import SessionsOptions
from tests.support.agent_client import AgentClient, agent_client
from tests.support.gateway import Gateway, running_gateway
from tests.support.steps import steps_socket
from tests.support.world import ALICE, EchoToolbox, Limits, World
from transport.agent_conversation import AgentServices
from transport.agent_work import WorkOptions
from transport.client_services import ClientOptions
from transport.roster import Roster


async def staying(task: TaskContext) -> Result:
    await task.message(task.prompt)
    await trio.Event().wait()
    return Result("")


async def talking(task: TaskContext) -> Result:
    """Has something to say at every moment."""
    while True:
        await task.message("again ")


async def verbose(task: TaskContext) -> Result:
    """Says more at once than is kept."""
    await task.message("x" * 4000)
    await trio.Event().wait()
    return Result("")


@asynccontextmanager
async def running(agent: str = "staying", kept: Retention | None = None) -> AsyncIterator[Gateway]:
    def own(world: World) -> AgentServices:
        return AgentServices(toolbox=EchoToolbox(), roster=Roster(), rooms=world.rooms, work=WorkOptions(32, 0.01))

    limits = Limits(sessions=SessionsOptions(default_agent=agent), retention={"task": kept or Retention()})
    options = ClientOptions(auth_required=True)
    agents = {"staying": staying, "talking": talking, "verbose": verbose}
    async with running_gateway(agents, limits, options, agent_services=own) as gateway:
        yield gateway


async def begin(client: AgentClient) -> str:
    """Starts a query that never ends and returns its task, once a piece of its answer has come."""
    await client.send("streaming_query", query="stay")
    task_id: str = (await client.receive_until("stream_chunk"))[-1]["task_id"]
    return task_id


def state(gateway: Gateway, task_id: str) -> TaskState:
    return gateway.world.tasks.find(ALICE, task_id).record.state


async def cancelled(gateway: Gateway, task_id: str) -> bool:
    """Whether it is, once nothing runs any more."""
    with trio.fail_after(10):
        await gateway.world.tasks.wait_quiet()
    return state(gateway, task_id) is TaskState.CANCELLED


async def left(gateway: Gateway, connections: int = 0) -> None:
    """Returns when no more than so many are connected, and long after the time of grace of those who were."""
    with trio.fail_after(10):
        while len(gateway.world.connections) > connections:
            await trio.testing.wait_all_tasks_blocked(0.005)
    await trio.testing.wait_all_tasks_blocked(0.1)


async def test_what_nobody_sees_is_cancelled() -> None:
    async with running() as gateway:
        async with agent_client(gateway, "alice") as client:
            task_id = await begin(client)
        assert await cancelled(gateway, task_id)


async def test_what_nobody_sees_is_cancelled_however_much_it_says() -> None:
    async with running("talking") as gateway:
        async with agent_client(gateway, "alice") as client:
            task_id = await begin(client)
        assert await cancelled(gateway, task_id)


@pytest.mark.parametrize("dialect", ["steps", "wallet"])
async def test_a_feed_that_is_merely_open_keeps_nothing_going(dialect: str) -> None:
    async with running() as gateway:
        if dialect == "steps":
            async with steps_socket(gateway, "alice") as before:
                await before.until_status("idle")
            await left(gateway)
        else:
            gateway.wallets.feed(ALICE)
        async with agent_client(gateway, "alice") as client:
            task_id = await begin(client)
            task = gateway.world.tasks.find(ALICE, task_id)
            assert gateway.world.channels.is_followed(task.key), "the feed reads it"
        assert await cancelled(gateway, task_id)


async def test_a_feed_that_somebody_follows_keeps_it_going() -> None:
    async with running() as gateway, steps_socket(gateway, "alice") as watcher:
        await watcher.until_status("idle")
        async with agent_client(gateway, "alice") as client:
            task_id = await begin(client)
        await left(gateway, 1)
        assert state(gateway, task_id) is TaskState.RUNNING
        # And it can be cancelled where it is seen.
        await watcher.send("task:cancel", {"taskId": task_id})
        assert (await watcher.until("task:complete"))["data"]["cancelled"]


async def test_a_listener_inside_the_process_keeps_it_going() -> None:
    async with running() as gateway:
        seen: list[str] = []
        gateway.desk.agents.of(ALICE.user_id).add_client("mine", seen.append)
        async with agent_client(gateway, "alice") as client:
            task_id = await begin(client)
        await left(gateway)
        assert state(gateway, task_id) is TaskState.RUNNING
        gateway.desk.agents.of(ALICE.user_id).remove_client("mine")


async def test_a_stream_that_cannot_be_told_whole_is_not_left_running() -> None:
    async with running("verbose", Retention(bytes=1000)) as gateway, agent_client(gateway, "alice") as client:
        await client.send("streaming_query", query="much", id=1)
        told = (await client.receive_until("error"))[-1]
        assert (told["id"], told["error"].partition(":")[0]) == (1, "Streaming failed")
        assert await cancelled(gateway, told["task_id"])
        # Nothing more is said of it, and the next request is served.
        assert (await client.ask("tool_call", tool_name="echo", params={}, id=2))["id"] == 2
