"""The openai agent against npm's aimock, an OpenAI-compatible server of others, on real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from actors.agent import AgentError, Message, Result
from engine.agents.openai import OpenAISettings, openai_agent
from engine.models.endpoint import Endpoint
from engine.models.openai import OpenAIModel
from engine.models.retry import RetryPolicy
from engine.tools.builtin import builtin_tools
from engine.tools.registry import ToolRegistry
from tests.support.aimock import aimock
from tests.support.fake_context import FakeContext
from tests.support.node import node
from tests.support.relay import start_relay

ANSWER = "Fourteen pieces of text, one after the other, all of them in order."


def fixture(user_message: str, response: dict[str, Any], **more: Any) -> dict[str, Any]:  # JSON
    match = {"userMessage": user_message} | more.pop("match", {})
    return {"match": match, "response": response, **more}


def error(kind: str, status: int) -> dict[str, Any]:
    return {"error": {"message": f"{kind} on purpose", "type": kind}, "status": status}


def tool_call(call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": call_id, "name": name, "arguments": arguments}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    node()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


async def ask(base_url: str, task: FakeContext, *, settings: OpenAISettings | None = None) -> Result:
    endpoint = Endpoint(base_url=base_url, model="gpt-4o", retry=RetryPolicy(attempts=2, first=0.01, patience=0.5))
    async with OpenAIModel.open(endpoint) as model:
        task.models["default"] = model
        return await openai_agent(settings)(task)


def context(prompt: str, *history: Message) -> FakeContext:
    return FakeContext(prompt, tools=ToolRegistry(builtin_tools()), history=history)


async def test_text_is_streamed_piece_by_piece(tmp_path: Path) -> None:
    fixtures = [fixture("stream", {"content": ANSWER}, chunkSize=5)]
    async with aimock(fixtures, tmp_path) as base_url:
        task = context("Please stream")
        result = await ask(base_url, task)
    assert result.text == task.text() == ANSWER
    assert [len(str(data["content"])) for data in task.data("agent.message")] == [5] * 13 + [2]
    assert isinstance(result.data, dict)
    usage = result.data["usage"]
    assert isinstance(usage, dict)
    assert usage["completion_tokens"] != 0


async def test_tools_are_called_and_their_results_sent_back(tmp_path: Path) -> None:
    both = [
        tool_call("call_sum", "calculator", {"expression": "123 + 456"}),
        tool_call("call_bad", "calculator", {"expression": "1 / 0"}),
    ]
    fixtures = [
        fixture("sum", {"toolCalls": both}, match={"hasToolResult": False}),
        fixture("sum", {"content": "579, and the other fails."}, match={"toolResultContains": "division by zero"}),
    ]
    async with aimock(fixtures, tmp_path) as base_url:
        task = context("the sum")
        result = await ask(base_url, task)
    assert result.text == "579, and the other fails."
    assert [data["success"] for data in task.data("agent.tool_result")] == [True, False]
    assert task.data("agent.tool_result")[0]["result"] == 579


async def test_the_system_prompt_and_the_conversation_arrive(tmp_path: Path) -> None:
    fixtures = [fixture("again", {"content": "Aye."}, match={"systemMessage": "like a pirate", "turnIndex": 1})]
    async with aimock(fixtures, tmp_path) as base_url:
        task = context("again", Message("user", "Hi", "t", 0), Message("assistant", "Ahoy", "t", 1))
        settings = OpenAISettings(system_prompt="Talk like a pirate.")
        assert (await ask(base_url, task, settings=settings)).text == "Aye."


async def test_a_cancel_in_mid_stream_closes_the_request_upstream(tmp_path: Path, nursery: trio.Nursery) -> None:
    fixtures = [fixture("slow", {"content": ANSWER * 50}, chunkSize=5, latency=20)]
    async with aimock(fixtures, tmp_path) as base_url:
        relay = await start_relay(nursery, base_url)
        task = context("slow")
        async with trio.open_nursery() as agents:
            agents.start_soon(ask, relay.url, task)
            with trio.fail_after(10):
                await task.emitted(3)
            assert not relay.client_closed.is_set()
            agents.cancel_scope.cancel()
        with trio.fail_after(2):
            await relay.client_closed.wait()
        assert 3 <= len(task.events) < len(ANSWER) * 50 / 5


@pytest.mark.parametrize(
    ("response", "more", "cause"),
    [
        (error("server_error", 500), {}, "upstream_error"),
        (error("rate_limit_error", 429), {}, "rate_limited"),
        (error("authentication_error", 401), {}, "unauthorized"),
        ({"content": ANSWER}, {"truncateAfterChunks": 4, "latency": 20, "chunkSize": 5}, "truncated"),
    ],
)
async def test_an_upstream_that_fails_is_the_cause(
    response: dict[str, Any], more: dict[str, Any], cause: str, tmp_path: Path
) -> None:
    async with aimock([fixture("fail", response, **more)], tmp_path) as base_url:
        task = context("fail")
        with pytest.raises(AgentError) as caught:
            await ask(base_url, task)
    assert caught.value.cause == cause
    if cause == "truncated":
        assert 0 < len(task.text()) < len(ANSWER)
        assert ANSWER.startswith(task.text())
    else:
        assert "on purpose" in caught.value.message
        assert not task.events
