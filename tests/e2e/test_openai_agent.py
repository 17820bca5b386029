"""The openai agent in a real engine, its model served by npm's aimock, watched over WebSocket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from tests.e2e.clients import Event, Socket, assert_gapless, gateway_socket
from tests.e2e.engine_process import EngineProcess, engine_process
from tests.support.aimock import aimock
from tests.support.relay import Relay, start_relay

SLOW = "One word after the other, slowly. " * 100

CONFIG = """
[models.default]
base_url = "{base_url}"
model = "gpt-4o"
retries = 0
"""


def call(call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": call_id, "name": name, "arguments": arguments}


FIXTURES = [
    {
        "match": {"userMessage": "the sum", "hasToolResult": False},
        "response": {"toolCalls": [call("c1", "calculator", {"expression": "6*7"})]},
    },
    {
        "match": {"userMessage": "the sum", "toolResultContains": "42"},
        "response": {"toolCalls": [call("c2", "calculator", {"expression": "42+1"})]},
    },
    {
        "match": {"userMessage": "the sum", "toolResultContains": "43"},
        "response": {"content": "It comes to 43, all told."},
        "chunkSize": 5,
    },
    {"match": {"userMessage": "slow"}, "response": {"content": SLOW}, "chunkSize": 5, "latency": 20},
    {
        "match": {"userMessage": "broken"},
        "response": {"error": {"message": "broken on purpose", "type": "server_error"}, "status": 500},
    },
]


@asynccontextmanager
async def engine_with_model(folder: Path, nursery: trio.Nursery) -> AsyncIterator[tuple[EngineProcess, Relay]]:
    async with aimock(FIXTURES, folder) as base_url:
        relay = await start_relay(nursery, base_url)
        with engine_process(folder / "engine", CONFIG.format(base_url=relay.url)) as engine:
            yield engine, relay


async def in_thread(engine: EngineProcess, work: Callable[[Socket], list[Event]]) -> list[Event]:
    """Runs what a blocking client does."""

    def run() -> list[Event]:
        with gateway_socket(engine.socket_url) as socket:
            socket.subscribe("task")
            return work(socket)

    return await trio.to_thread.run_sync(run)


def types(events: list[Event]) -> list[str]:
    return list(dict.fromkeys(event["event_type"] for event in events))


async def test_text_and_rounds_of_tool_calls(tmp_path: Path, nursery: trio.Nursery) -> None:
    def ask(socket: Socket) -> list[Event]:
        socket.create("openai", "What is the sum?")
        return socket.events_until()

    async with engine_with_model(tmp_path, nursery) as (engine, _):
        events = await in_thread(engine, ask)
    assert_gapless(events)
    results = [event["data"] for event in events if event["event_type"] == "agent.tool_result"]
    assert [(data["success"], data["result"]) for data in results] == [(True, 42), (True, 43)]
    pieces = [event["data"]["content"] for event in events if event["event_type"] == "agent.message"]
    assert "".join(pieces) == "It comes to 43, all told."
    assert len(pieces) == 5
    assert events[-1]["event_type"] == "task.completed"
    assert events[-1]["data"]["result"] == "It comes to 43, all told."
    assert events[-1]["data"]["data"]["rounds"] == 3


async def test_a_cancel_in_mid_stream_reaches_the_upstream(tmp_path: Path, nursery: trio.Nursery) -> None:
    def ask(socket: Socket) -> list[Event]:
        task = socket.create("openai", "slow")
        socket.events_until("agent.message")
        assert not relay.client_closed.is_set()
        socket.action("cancel", task["task_id"])
        return socket.events_until()

    async with engine_with_model(tmp_path, nursery) as (engine, relay):
        events = await in_thread(engine, ask)
        with trio.fail_after(5):
            await relay.client_closed.wait()
    assert events[-1]["event_type"] == "task.cancelled"
    assert events[-1]["data"]["reason"] == "requested"
    assert sum(event["event_type"] == "agent.message" for event in events) < len(SLOW) / 5


async def test_an_upstream_that_fails_is_the_cause(tmp_path: Path, nursery: trio.Nursery) -> None:
    def ask(socket: Socket) -> list[Event]:
        socket.create("openai", "broken")
        return socket.events_until()

    async with engine_with_model(tmp_path, nursery) as (engine, _):
        events = await in_thread(engine, ask)
    assert types(events) == ["task.started", "task.turn_started", "task.failed"]
    assert events[-1]["data"]["cause"] == "upstream_error"
    assert "500" in events[-1]["data"]["error"] or "broken on purpose" in events[-1]["data"]["error"]
