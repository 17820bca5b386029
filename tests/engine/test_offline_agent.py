"""The offline agent: every event, real tools, and behaviour on request."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import trio
import trio.testing

from actors.agent import AgentError, Message, Result
from actors.event import Json
from engine.agents.offline import offline_agent
from engine.tools.calculator import calculator
from engine.tools.clock import clock_tool
from engine.tools.registry import ToolRegistry
from engine.tools.textstats import text_statistics
from tests.support.fake_context import FakeContext

NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)


def context(
    prompt: str,
    *,
    answers: tuple[bool, ...] = (),
    history: tuple[Message, ...] = (),
    turn: int = 1,
    client_tools: dict[str, Json] | None = None,
) -> FakeContext:
    tools = ToolRegistry([calculator, clock_tool(lambda: NOON), text_statistics])
    return FakeContext(prompt, tools=tools, answers=answers, history=history, turn=turn, client_tools=client_tools)


async def run(task: FakeContext) -> Result:
    return await offline_agent(pace=0.01)(task)


async def test_every_event_is_shown(autojump_clock: trio.testing.MockClock) -> None:
    task = context("Please confirm, then: what is 12 * (3 + 4), and what time is it in Asia/Tokyo?", answers=(True,))
    result = await run(task)
    assert set(task.types()) == {
        "agent.thinking",
        "agent.message",
        "agent.tool_call",
        "agent.tool_result",
        "agent.artifact",
        "plan.created",
        "step.started",
        "step.progress",
        "step.completed",
        "step.confirm",
    }
    assert result.text == "12 * (3 + 4) = 84\nThe time in Asia/Tokyo is 2024-07-01T21:00:00+09:00, a Monday."
    assert task.text() == result.text
    assert len(task.data("agent.message")) > 10


async def test_steps_are_those_of_the_plan(autojump_clock: trio.testing.MockClock) -> None:
    task = context("1+1 and 2+2 and count to 2", answers=(True,))
    await run(task)
    steps = task.data("plan.created")[0]["steps"]
    assert isinstance(steps, list)
    planned = [step["id"] for step in steps if isinstance(step, dict)]
    assert len(planned) == len(set(planned)) == 4
    assert [data["step_id"] for data in task.data("step.started")] == planned
    assert [data["step_id"] for data in task.data("step.completed")] == planned


@pytest.mark.parametrize(
    ("prompt", "tools"),
    [
        ("12 * 12", [{"name": "calculator", "arguments": {"expression": "12 * 12"}}]),
        ("the time please", [{"name": "clock", "arguments": {"zone": "UTC"}}]),
        ("The time in Tokyo?", [{"name": "clock", "arguments": {"zone": "Asia/Tokyo"}}]),
        ("what time is it in New York", [{"name": "clock", "arguments": {"zone": "America/New_York"}}]),
        ("Hello there", [{"name": "text_statistics", "arguments": {"text": "Hello there"}}]),
        ("Measure “a b c”.", [{"name": "text_statistics", "arguments": {"text": "a b c"}}]),
        ("count to 3", []),
    ],
)
async def test_tools_are_used_as_asked(prompt: str, tools: list[Json], autojump_clock: trio.testing.MockClock) -> None:
    task = context(prompt)
    await run(task)
    assert task.data("agent.tool_call") == tools


async def test_a_tool_that_fails_is_told(autojump_clock: trio.testing.MockClock) -> None:
    task = context("10 / 0")
    result = await run(task)
    assert result.text == "10 / 0: that did not work, division by zero."
    assert task.data("step.completed")[0]["success"] is False


@pytest.mark.parametrize(
    ("tools", "text"),
    [
        ({"clipboard": [1]}, "The device's clipboard = [1]"),
        ({}, "The device's clipboard: that did not work, clipboard: nobody answered in time."),
    ],
)
async def test_a_device_is_asked(tools: dict[str, Json], text: str, autojump_clock: trio.testing.MockClock) -> None:
    task = context("ask my device for the clipboard", client_tools=tools)
    assert (await run(task)).text == text
    (call,) = task.data("agent.client_tool_call")
    assert call["name"] == "clipboard"


async def test_a_refusal_ends_the_task_with_nothing_done(autojump_clock: trio.testing.MockClock) -> None:
    task = context("confirm 1 + 1", answers=(False,))
    with pytest.raises(AgentError) as caught:
        await run(task)
    assert caught.value.cause == "declined"
    assert task.types()[-1] == "step.completed"
    assert task.data("step.completed")[0]["success"] is False
    assert not task.data("agent.tool_call")


async def test_it_fails_when_asked_to(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(AgentError, match="the sky fell") as caught:
        await run(context("fail: the sky fell"))
    assert caught.value.cause == "requested"


async def test_a_cancel_stops_it_at_once(autojump_clock: trio.testing.MockClock) -> None:
    task = context("count to 50 slowly")
    with trio.move_on_after(2) as scope:
        await run(task)
    assert scope.cancelled_caught
    assert 1 <= len(task.data("agent.message")) < 50
    assert "agent.artifact" not in task.types()


async def test_slowly_is_ten_times_as_long(autojump_clock: trio.testing.MockClock) -> None:
    await run(context("count to 9"))
    quick = trio.current_time()
    await run(context("count to 9 slowly"))
    assert trio.current_time() - quick > 5 * quick > 0


async def test_the_next_turn_knows_the_last(autojump_clock: trio.testing.MockClock) -> None:
    history = (Message("user", "Who are you?", "task-0", 0), Message("assistant", "Offline.", "task-0", 1))
    task = context("2 + 3", history=history, turn=2)
    result = await run(task)
    assert result.text == "Earlier you asked 1 time, last: “Who are you?”.\n2 + 3 = 5"
    assert task.data("agent.artifact")[0]["name"] == "report-2.md"


async def test_the_same_prompt_gives_the_same_events(autojump_clock: trio.testing.MockClock) -> None:
    first, second = context("Analyse this: 3 * 3, please."), context("Analyse this: 3 * 3, please.")
    assert await run(first) == await run(second)
    assert first.events == second.events
