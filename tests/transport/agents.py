"""Agents for tests of the transport: each does one thing."""

from __future__ import annotations

import trio

from actors.agent import Result, TaskContext


async def echo(task: TaskContext) -> Result:
    await task.message(task.prompt)
    return Result(task.prompt)


async def patient(task: TaskContext) -> Result:
    """Streams each word of each appended turn, until one says `stop`."""
    while (prompt := await task.next_turn()) != "stop":
        for word in prompt.split():
            await task.message(word + " ")
    return Result("stopped")


async def sleeper(task: TaskContext) -> Result:
    await trio.sleep_forever()
    raise AssertionError


async def calling(task: TaskContext) -> Result:
    """Has a device read its clipboard."""
    return Result(f"got {await task.call_client_tool('clipboard', {'format': 'text'})}")


async def asking(task: TaskContext) -> Result:
    return Result("yes" if await task.confirm("s1", "May I?") else "no")


AGENTS = {"echo": echo, "patient": patient, "sleeper": sleeper, "asking": asking, "calling": calling}
