"""Agents for tests, each for one behaviour."""

from __future__ import annotations

import trio

from actors.agent import Result, TaskContext


async def echo(task: TaskContext) -> Result:
    await task.message(task.prompt)
    return Result(task.prompt.upper())


async def forever(task: TaskContext) -> Result:
    await task.message("begun ")
    await trio.Event().wait()
    return Result("never")


async def recalling(task: TaskContext) -> Result:
    """Answers with the conversation so far."""
    return Result("|".join(f"{message.role}:{message.content}" for message in task.history))


async def asking(task: TaskContext) -> Result:
    agreed = await task.confirm("s1", "May I?", step_name="deploy")
    return Result("yes" if agreed else "no")


AGENTS = {"echo": echo, "forever": forever, "recalling": recalling, "asking": asking}
