"""The openai agent with a model that says what it is told to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import pytest

from actors.agent import AgentError, Message, Result
from actors.event import Json
from actors.model import Completion, ModelError, ModelMessage, ToolCall
from actors.tool import ToolSpec
from engine.agents.openai import OpenAISettings, openai_agent
from engine.tools.builtin import builtin_tools
from engine.tools.registry import ToolRegistry
from tests.support.fake_context import FakeContext


class ScriptedModel:
    """Gives the completions in turn, raises an error among them, and keeps what it was asked."""

    def __init__(self, *script: Completion | ModelError) -> None:
        self._script = list(script)
        self.asked: list[tuple[ModelMessage, ...]] = []
        self.offered: list[list[str]] = []

    async def complete(
        self,
        messages: Sequence[ModelMessage],
        *,
        tools: Sequence[ToolSpec] = (),
        on_text: Callable[[str], Awaitable[None]],
    ) -> Completion:
        self.asked.append(tuple(messages))
        self.offered.append([tool.name for tool in tools])
        said = self._script.pop(0)
        if isinstance(said, ModelError):
            raise said
        if said.text:
            await on_text(said.text)
        return said


def calls(*arguments: tuple[str, str], text: str = "") -> Completion:
    made = tuple(ToolCall(f"c{number}", name, json) for number, (name, json) in enumerate(arguments))
    return Completion(text, made, "tool_calls", 10, 1)


def context(
    model: ScriptedModel, prompt: str = "Sum up", *, name: str = "default", history: tuple[Message, ...] = ()
) -> FakeContext:
    return FakeContext(prompt, tools=ToolRegistry(builtin_tools()), models={name: model}, history=history)


async def run(task: FakeContext, settings: OpenAISettings | None = None) -> Result:
    return await openai_agent(settings)(task)


async def failure(task: FakeContext, settings: OpenAISettings | None = None) -> AgentError:
    with pytest.raises(AgentError) as caught:
        await run(task, settings)
    return caught.value


async def test_the_conversation_is_what_the_model_is_asked() -> None:
    model = ScriptedModel(Completion("Fine.", (), "stop", 3, 2))
    history = tuple(Message(role, role[0], "t", 0) for role in ("user", "assistant", "user", "assistant"))
    result = await run(context(model, history=history), OpenAISettings(system_prompt="Be brief.", history=2))
    assert model.asked == [
        (
            ModelMessage("system", "Be brief."),
            ModelMessage("user", "u"),
            ModelMessage("assistant", "a"),
            ModelMessage("user", "Sum up"),
        )
    ]
    usage: Json = {"prompt_tokens": 3, "completion_tokens": 2}
    assert result == Result("Fine.", {"rounds": 1, "usage": usage, "finish_reason": "stop"})


async def test_tools_are_called_in_rounds_and_the_text_is_what_the_client_saw() -> None:
    first = calls(("calculator", '{"expression": "6*7"}'), ("clock", ""), text="Let me see.")
    second = calls(("calculator", '{"expression": "42+1"}'))
    model = ScriptedModel(first, second, Completion("It is 43.", (), "stop", 30, 5))
    task = context(model)
    result = await run(task)
    assert result.text == task.text() == "Let me see.\n\nIt is 43."
    assert isinstance(result.data, dict)
    assert result.data["usage"] == {"prompt_tokens": 50, "completion_tokens": 7}
    assert [data["name"] for data in task.data("agent.tool_call")] == ["calculator", "clock", "calculator"]
    last = model.asked[-1]
    assert last[1] == ModelMessage("assistant", "Let me see.", first.tool_calls)
    assert last[2] == ModelMessage("tool", "42", tool_call_id="c0")
    assert last[-1] == ModelMessage("tool", "43", tool_call_id="c0")


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("calculator", '{"expression": "1/0"}', "error: division by zero"),
        ("calculator", "{}", "error: calculator: Object missing required field `expression`"),
        ("calculator", '{"expression', "error: the arguments are not valid JSON"),
        ("rocket", "{}", "error: Tool not found: rocket"),
        ("text_statistics", '{"text": "a"}', "error: Tool not found: text_statistics"),
    ],
)
async def test_a_failed_call_is_told_to_the_model(name: str, arguments: str, told: str) -> None:
    model = ScriptedModel(calls((name, arguments)), Completion("Sorry.", (), "stop"))
    settings = OpenAISettings(tools=frozenset({"calculator", "clock"}))
    assert (await run(context(model), settings)).text == "Sorry."
    assert model.asked[1][-1].content.startswith(told)
    assert model.offered == [["calculator", "clock"]] * 2


async def test_a_long_answer_of_a_tool_is_cut() -> None:
    model = ScriptedModel(calls(("clock", "{}")), Completion("Late.", (), "stop"))
    await run(context(model), OpenAISettings(tool_characters=10))
    assert len(model.asked[1][-1].content) == 10


async def test_rounds_are_bounded() -> None:
    model = ScriptedModel(*[calls(("clock", "{}"))] * 5)
    error = await failure(context(model), OpenAISettings(rounds=3))
    assert (error.cause, len(model.asked)) == ("too_many_rounds", 3)


async def test_a_failing_model_fails_the_task_with_its_cause() -> None:
    error = await failure(context(ScriptedModel(ModelError("rate_limited", "slow down"))))
    assert (error.cause, error.message) == ("rate_limited", "slow down")


@pytest.mark.parametrize(("reason", "cause"), [("content_filter", "content_filter"), ("stop", "empty_answer")])
async def test_no_answer_is_a_failure(reason: str, cause: str) -> None:
    assert (await failure(context(ScriptedModel(Completion("", (), reason))))).cause == cause


async def test_the_model_is_chosen_by_name() -> None:
    task = context(ScriptedModel(Completion("Hi", (), "stop")), name="small")
    assert (await run(task, OpenAISettings(model="small"))).text == "Hi"
    assert (await failure(context(ScriptedModel()), OpenAISettings(model="small"))).cause == "unknown_model"
