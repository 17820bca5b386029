"""Agents that the tests have the engine run, each for what no built-in one does."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from actors.agent import Result, TaskContext, resumable
from actors.event import Json
from transport.head import RequestHead

PACE = 0.001


async def burst(task: TaskContext) -> Result:
    """As many pieces of text as the prompt says, every tenth followed by an event that is never merged."""
    last = int(task.prompt)
    for number in range(1, last + 1):
        await task.message(f"{number} ")
        if number % 10 == 0:
            await task.emit("burst.tick", {"number": number})
        await trio.sleep(PACE)
    return Result(f"{last} pieces")


async def flood(task: TaskContext) -> Result:
    """As `burst`, with no pause and with a kilobyte in each piece."""
    return await _pour(task, 10)


async def led(task: TaskContext) -> Result:
    """As `flood`, twenty pieces for each turn: whoever gives the turns is never behind by more."""
    return await _pour(task, 20, task.next_turn)


async def _pour(task: TaskContext, every: int, pause: Callable[[], Awaitable[object]] | None = None) -> Result:
    last = int(task.prompt)
    for number in range(1, last + 1):
        await task.message(f"{number:<1024}")
        if number % every == 0:
            await task.emit("burst.tick", {"number": number})
            if pause is not None:
                await pause()
    return Result(f"{last} pieces")


async def stepping(task: TaskContext) -> Result:
    """As many steps as the prompt says, of which each client is told one by one: nothing in them is ever merged."""
    last = int(task.prompt)
    for number in range(1, last + 1):
        await task.step_started(f"step-{number}", f"Step {number}")
        await trio.sleep(PACE)
        await task.step_completed(f"step-{number}", f"Step {number}")
    return Result(f"{last} steps")


async def patient(task: TaskContext) -> Result:
    """Says the number of each turn and waits for the next one, until a turn is `end`."""
    for number in itertools.count(1):
        if task.prompt == "end":
            return Result(f"{number} turns")
        await task.message(f"turn {number}: {task.prompt}")
        await task.next_turn()
    raise AssertionError


async def stubborn(task: TaskContext) -> Result:
    """Ignores every cancellation."""
    await task.message("I stay.")
    with trio.CancelScope(shield=True):
        await trio.sleep_forever()
    raise AssertionError


@resumable
async def steady(task: TaskContext) -> Result:
    """Notes once that it has begun, and ends when a file `go` is in the engine's folder. Says how often it was run."""

    async def begin() -> Json:
        _note_begun(task.prompt)
        return task.prompt

    begun = await task.once("begin", begin)
    await task.message("on ")
    while not Path("go").exists():  # noqa: ASYNC110, ASYNC240  another process makes it
        await trio.sleep(PACE)
    runs = 1 + sum(event.event_type == "task.resumed" for event in task.journal)
    return Result(f"{begun} in {runs + bool(task.journal)} runs")


async def asking(task: TaskContext) -> Result:
    """Waits for the confirmation of the step that the prompt names."""
    return Result("yes" if await task.confirm(task.prompt, "May I?") else "no")


async def witness(task: TaskContext) -> Result:
    """As `burst`; leaves a file in the engine's folder that says how it ended."""
    ending = "cancelled"
    try:
        result = await burst(task)
        ending = "finished"
    finally:
        _note(ending)
    return result


def _note_begun(prompt: str) -> None:
    with Path("begun.txt").open("a") as begun:
        begun.write(f"{prompt}\n")


def _note(ending: str) -> None:
    Path("witness.txt").write_text(ending)


def one_user(head: RequestHead) -> bool | str:
    """Who clients of the steps are: whoever knows the word is Carol."""
    return "carol" if head.query("access_token") == "sesame" else False
