"""A tool that takes long, or blocks its thread: neither a ping nor a cancel waits for it, nor what comes next."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio

from engine.tools.calculator import calculator
from engine.tools.registry import ToolRegistry
from engine.tools.tool import Tool, tool
from tests.support.agent_client import AgentClient, agent_client
from tests.support.agents import AGENTS
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import World
from transport.agent_conversation import AgentServices
from transport.agent_work import WorkOptions
from transport.client_services import ClientOptions
from transport.roster import Roster


class Gate:
    """Where the blocking tools wait until the test is over."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.begun = threading.Event()
        self.cancelled = trio.Event()

    def tools(self) -> tuple[Tool, ...]:
        @tool(timeout=60)
        def block() -> str:
            """Holds its thread."""
            self.begun.set()
            self.open.wait(30)
            return "late"

        @tool(timeout=60)
        async def wait() -> str:
            """Waits as a task does."""
            self.begun.set()
            try:
                await trio.sleep_forever()
            finally:
                self.cancelled.set()

        return block, wait, calculator


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.open.set()


@asynccontextmanager
async def running(gate: Gate, grace: float = 60.0) -> AsyncIterator[Gateway]:
    def own(world: World) -> AgentServices:
        work = WorkOptions(grace_seconds=grace)
        return AgentServices(toolbox=ToolRegistry(gate.tools()), roster=Roster(), rooms=world.rooms, work=work)

    async with running_gateway(AGENTS, options=ClientOptions(auth_required=False), agent_services=own) as gateway:
        yield gateway


async def begin(client: AgentClient, gate: Gate, name: str) -> None:
    await client.send("tool_call", tool_name=name, params={}, id="slow")
    await trio.to_thread.run_sync(gate.begun.wait, 10)


async def timed(client: AgentClient, kind: str, **fields: object) -> dict[str, object]:
    """The answer, which must not take 50 ms: the best of three tries, on a machine that others use too."""
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        answer = await client.ask(kind, **fields)
        took.append((time.perf_counter() - begun) * 1000)
    assert min(took) < 50
    return answer


@pytest.mark.parametrize("name", ["block", "wait"])
async def test_neither_a_ping_nor_a_cancel_waits_for_it(gate: Gate, name: str) -> None:
    async with running(gate) as gateway, agent_client(gateway) as client:
        await begin(client, gate, name)
        await client.send("tool_call", tool_name="calculator", params={"expression": "1 + 1"}, id="dropped")
        assert (await timed(client, "ping"))["type"] == "pong"
        begun = time.perf_counter()
        cancelled = await client.ask("cancel", id="c")
        assert (time.perf_counter() - begun) < 5, "the tool itself takes half a minute"
        assert cancelled["requests"] == [{"id": "slow"}, {"id": "dropped"}]
        # What comes next is served while the thread is still held, and nothing of the old comes any more.
        call = {"tool_name": "calculator", "params": {"expression": "123 + 456"}}
        result = await client.ask("tool_call", **call, id="next")
        assert (result["type"], result["id"], result["result"]) == ("tool_result", "next", 579)
        gate.open.set()
        assert (await client.ask("ping", id=1))["id"] == 1


async def test_a_tool_whose_client_is_gone_ends_after_the_time_of_grace(gate: Gate) -> None:
    async with running(gate, grace=0.01) as gateway:
        async with agent_client(gateway) as client:
            await begin(client, gate, "wait")
        with trio.fail_after(10):
            await gate.cancelled.wait()
