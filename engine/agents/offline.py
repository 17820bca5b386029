"""The agent that needs no network: it shows every event, and what it says it really worked out with its tools."""

from __future__ import annotations

import re
from typing import assert_never

import msgspec

from actors.agent import Agent, AgentError, PlanStep, Result, TaskContext
from actors.event import Json
from actors.tool import ToolError
from engine.agents.wishes import AskDevice, Calculate, Count, Measure, TellTime, Wish, Wishes, read_prompt

DEFAULT_PACE = 0.02
_SLOW = 10.0
_WORD = re.compile(r"\s*\S+\s*|\s+")
_QUOTE_LENGTH = 60


class Outcome(msgspec.Struct, frozen=True):
    """What one step came to: a line for the reader and the value for programs."""

    label: str
    line: str
    value: Json
    success: bool = True


def offline_agent(pace: float = DEFAULT_PACE) -> Agent:
    """The agent, which waits `pace` seconds between words.

    The prompt steers it: arithmetic is computed, `the time in Asia/Tokyo` told, `count to 50` counted, `statistics of
    the text: …` measured, several at once too; `ask my device for the clipboard` calls a tool of that name on the
    user's devices. `please confirm` asks before anything is done, `slowly` takes ten times as long, `fail: why` fails.
    Everything it writes but the time, and what a device returns, is the same for the same prompt.
    """

    async def offline(task: TaskContext) -> Result:
        wishes = read_prompt(task.prompt)
        if wishes.failure is not None:
            await task.thinking("I was asked to fail.")
            raise AgentError("requested", wishes.failure)
        return await _Run(task, wishes, pace * (_SLOW if wishes.slowly else 1.0)).perform()

    return offline


class _Run:
    """One turn."""

    def __init__(self, task: TaskContext, wishes: Wishes, pace: float) -> None:
        self._task = task
        self._wishes = wishes
        self._pace = pace
        self._said: list[str] = []
        self._key = f"turn-{task.turn}"

    async def perform(self) -> Result:
        task, wishes = self._task, self._wishes.wishes
        await self._think()
        await task.plan(self._plan(), goal=_short(task.prompt))
        if self._wishes.confirm:
            await self._confirm()
        await self._say(self._opening())
        outcomes = [await self._fulfil(self._step_id(number), wish) for number, wish in enumerate(wishes, 1)]
        await self._report(outcomes)
        return Result("".join(self._said), {"results": [msgspec.to_builtins(each) for each in outcomes]})

    async def _think(self) -> None:
        names = ", ".join(_name(wish).lower() for wish in self._wishes.wishes)
        for piece in _WORD.findall(f"Turn {self._task.turn}. The prompt asks me to {names}."):
            await self._task.thinking(piece, key=self._key)
            await self._task.sleep(self._pace)

    def _plan(self) -> list[PlanStep]:
        steps = [PlanStep(self._step_id(0), "Ask for confirmation", type="confirm")] if self._wishes.confirm else []
        steps += [
            PlanStep(self._step_id(number), _name(wish), _detail(wish), "tool" if _tool(wish) else "think", _tool(wish))
            for number, wish in enumerate(self._wishes.wishes, 1)
        ]
        return [*steps, PlanStep(self._step_id(len(self._wishes.wishes) + 1), "Write the report", type="artifact")]

    def _step_id(self, number: int) -> str:
        return f"{self._key}-step-{number}"

    def _opening(self) -> str:
        asked = [message.content for message in self._task.history if message.role == "user"]
        if not asked:
            return ""
        return f"Earlier you asked {len(asked)} time{'s' * (len(asked) > 1)}, last: “{_short(asked[-1])}”."

    async def _confirm(self) -> None:
        task, step_id, name = self._task, self._step_id(0), "Ask for confirmation"
        await task.step_started(step_id, name)
        approved = await task.confirm(step_id, f"May I do this: {_short(task.prompt)}", step_name=name)
        await task.step_completed(step_id, name, output={"approved": approved}, success=approved)
        if not approved:
            raise AgentError("declined", "it was declined, or not confirmed in time; nothing was done")

    async def _fulfil(self, step_id: str, wish: Wish) -> Outcome:
        if self._said:
            await self._say("\n")
        await self._task.step_started(step_id, _name(wish))
        await self._task.step_progress(step_id, 0.0, _detail(wish))
        match wish:
            case Calculate(expression):
                outcome = await self._use(wish, {"expression": expression}, expression)
            case TellTime(zone):
                outcome = await self._use(wish, {"zone": zone}, f"The time in {zone}")
            case Measure(text):
                outcome = await self._use(wish, {"text": text}, "The text")
            case Count(last):
                outcome = await self._count(step_id, last)
            case AskDevice(tool):
                outcome = await self._ask_device(tool)
            case _:
                assert_never(wish)
        await self._task.step_progress(step_id, 1.0)
        await self._task.step_completed(step_id, _name(wish), output=outcome.value, success=outcome.success)
        await self._say(outcome.line)
        return outcome

    async def _use(self, wish: Wish, arguments: Json, label: str) -> Outcome:
        try:
            value = await self._task.call_tool(_tool(wish), arguments)
        except ToolError as error:
            return Outcome(label, f"{label}: that did not work, {error}.", {"error": str(error)}, success=False)
        return Outcome(label, _sentence(label, value), value)

    async def _ask_device(self, tool: str) -> Outcome:
        label = f"The device's {tool}"
        try:
            value = await self._task.call_client_tool(tool, {"prompt": _short(self._task.prompt)})
        except ToolError as error:
            return Outcome(label, f"{label}: that did not work, {error}.", {"error": str(error)}, success=False)
        return Outcome(label, f"{label} = {value}", value)

    async def _count(self, step_id: str, last: int) -> Outcome:
        for number in range(1, last + 1):
            await self._say(f"{number} ")
            await self._task.step_progress(step_id, number / last, f"{number} of {last}")
        return Outcome(f"Counted to {last}", "That is all." if last else "There is nothing to count.", last)

    async def _report(self, outcomes: list[Outcome]) -> None:
        step_id, name = self._step_id(len(outcomes) + 1), "Write the report"
        await self._task.step_started(step_id, name)
        rows = "".join(f"| {_cell(each.label)} | {_cell(each.line)} |\n" for each in outcomes)
        report = f"# {_short(self._task.prompt)}\n\n| Asked | Found |\n| --- | --- |\n{rows}"
        await self._task.artifact(f"report-{self._task.turn}.md", "text/markdown", report)
        await self._task.step_completed(step_id, name)

    async def _say(self, text: str) -> None:
        for word in _WORD.findall(text):
            self._said.append(word)
            await self._task.message(word, key=self._key)
            await self._task.sleep(self._pace)


def _name(wish: Wish) -> str:
    match wish:
        case Calculate():
            return "Calculate"
        case TellTime():
            return "Tell the time"
        case Measure():
            return "Measure the text"
        case Count():
            return "Count"
        case AskDevice():
            return "Ask a device"
        case _:
            assert_never(wish)


def _tool(wish: Wish) -> str:
    """The engine's tool that fulfils it; empty where none is needed."""
    match wish:
        case Calculate():
            return "calculator"
        case TellTime():
            return "clock"
        case Measure():
            return "text_statistics"
        case Count() | AskDevice():
            return ""
        case _:
            assert_never(wish)


def _detail(wish: Wish) -> str:
    match wish:
        case Calculate(expression):
            return expression
        case TellTime(zone):
            return zone
        case Measure(text):
            return _short(text)
        case Count(last):
            return f"to {last}"
        case AskDevice(tool):
            return tool
        case _:
            assert_never(wish)


def _sentence(label: str, value: Json) -> str:
    match value:
        case {"time": str(time), "weekday": str(weekday)}:
            return f"{label} is {time}, a {weekday}."
        case {
            "characters": characters,
            "words": words,
            "sentences": sentences,
            "lines": lines,
            "frequent": [*frequent],
        }:
            counted = f"{label} has {characters} characters, {words} words, {sentences} sentences and {lines} lines."
            most = [f"“{each['word']}” ({each['count']})" for each in frequent if isinstance(each, dict)]
            return f"{counted} Most frequent: {', '.join(most)}." if most else counted
        case _:
            return f"{label} = {value}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTE_LENGTH else line[: _QUOTE_LENGTH - 1] + "…"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
