"""The agent that lets a language model answer, with the engine's tools at hand."""

from __future__ import annotations

import msgspec
import orjson

from actors.agent import Agent, AgentError, Result, TaskContext
from actors.event import Json
from actors.model import Completion, ModelError, ModelMessage, ToolCall
from actors.tool import ToolError, ToolSpec

_SEPARATOR = "\n\n"


class OpenAISettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the agent behaves. `model` names one of the engine's models.

    `rounds` is how often the model may be asked in one turn; `history` how many earlier messages it is shown;
    `tool_characters` how much of a tool's answer. `tools` limits which tools it may call, None is all.
    """

    system_prompt: str = ""
    model: str = "default"
    rounds: int = 8
    history: int = 100
    tool_characters: int = 20_000
    tools: frozenset[str] | None = None


def openai_agent(settings: OpenAISettings | None = None) -> Agent:
    """The agent with `settings`. A failing model fails its task with the cause of the ModelError."""
    chosen = settings or OpenAISettings()

    async def openai(task: TaskContext) -> Result:
        return await _answer(task, chosen)

    return openai


async def _answer(task: TaskContext, settings: OpenAISettings) -> Result:
    messages = _conversation(task, settings)
    tools = tuple(tool for tool in task.tools() if settings.tools is None or tool.name in settings.tools)
    texts: list[str] = []
    prompt_tokens = completion_tokens = 0
    for number in range(1, settings.rounds + 1):
        completion = await _ask(task, settings, messages, tools)
        prompt_tokens += completion.prompt_tokens
        completion_tokens += completion.completion_tokens
        if not completion.tool_calls:
            texts.append(completion.text)
            usage: Json = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
            return _result("".join(texts), completion.finish_reason, {"rounds": number, "usage": usage})
        if completion.text:
            # The next round's text would run into this one's; the client sees what joins the conversation.
            await task.message(_SEPARATOR)
            texts += [completion.text, _SEPARATOR]
        messages.append(ModelMessage("assistant", completion.text, completion.tool_calls))
        for call in completion.tool_calls:
            told = await _call(task, call, tools)
            messages.append(ModelMessage("tool", told[: settings.tool_characters], tool_call_id=call.id))
    raise AgentError("too_many_rounds", f"the model still asked for tools after {settings.rounds} rounds")


def _conversation(task: TaskContext, settings: OpenAISettings) -> list[ModelMessage]:
    messages = [ModelMessage("system", settings.system_prompt)] if settings.system_prompt else []
    earlier = task.history[-settings.history :] if settings.history else ()
    messages += [ModelMessage(message.role, message.content) for message in earlier]
    messages.append(ModelMessage("user", task.prompt))
    return messages


async def _ask(
    task: TaskContext, settings: OpenAISettings, messages: list[ModelMessage], tools: tuple[ToolSpec, ...]
) -> Completion:
    try:
        return await task.call_model(messages, tools=tools, model=settings.model)
    except ModelError as error:
        raise AgentError(error.cause, error.message) from error


async def _call(task: TaskContext, call: ToolCall, tools: tuple[ToolSpec, ...]) -> str:
    """What the model is told of its call. A failure is told too: the model can mend its arguments or do without."""
    if call.name not in {tool.name for tool in tools}:
        return f"error: Tool not found: {call.name}"
    try:
        arguments: Json = orjson.loads(call.arguments or "{}")
    except orjson.JSONDecodeError as error:
        return f"error: the arguments are not valid JSON: {error}"
    try:
        return orjson.dumps(await task.call_tool(call.name, arguments)).decode()
    except ToolError as error:
        return f"error: {error}"


def _result(text: str, finish_reason: str, data: dict[str, Json]) -> Result:
    if not text.strip():
        cause = "content_filter" if finish_reason == "content_filter" else "empty_answer"
        raise AgentError(cause, f"the model gave no answer (finish_reason: {finish_reason or 'none'})")
    return Result(text, {**data, "finish_reason": finish_reason})
