"""Agents for the tests of `module:function`."""

from __future__ import annotations

from actors.agent import Result, TaskContext


async def researcher(task: TaskContext) -> Result:
    await task.message("found")
    return Result("found")


async def offline(task: TaskContext) -> Result:
    return Result(task.prompt)


def plain(task: TaskContext) -> Result:
    return Result(task.prompt)
