"""The agents of the benchmarks of private streams and of growth."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable, Callable
from typing import Never

import trio

from actors.agent import Result, TaskContext
from actors.event import Merge

TOKENS_PER_SECOND = 50
TOLD_PER_SECOND = 4000
"""Slow enough that one who follows is never merged for."""
TOLD_AT_ONCE = 10


async def streamer(task: TaskContext) -> Result:
    """From the first appended turn on a token 50 times a second, each with its time in nanoseconds, for ever."""
    return await _stream(task, task.sleep_until)


async def trio_streamer(task: TaskContext) -> Result:
    """The same, each task with a trio timer of its own."""
    return await _stream(task, trio.sleep_until)


async def _stream(task: TaskContext, sleep_until: Callable[[float], Awaitable[None]]) -> Never:
    await task.next_turn()
    began, sent = trio.current_time(), 0
    while True:
        await task.emit("bench.token", {"t": time.monotonic_ns(), "delta": "word "})
        sent += 1
        await sleep_until(began + sent / TOKENS_PER_SECOND)


async def teller(task: TaskContext) -> Result:
    """Once a turn is appended, as many tokens of a message as the prompt says; then it waits to be cancelled."""
    tokens = int(task.prompt)
    await task.next_turn()
    for number in range(tokens):
        await task.emit("agent.message", {"content": " word"}, merge=Merge.TEXT, merge_key="message-1")
        if number % TOLD_AT_ONCE == 0:
            await task.sleep(TOLD_AT_ONCE / TOLD_PER_SECOND)
    await task.emit("bench.told", {})
    await trio.sleep_forever()
    raise AssertionError("sleep_forever never returns")


async def greeter(task: TaskContext) -> Result:
    """One token, at once."""
    await task.emit("bench.first", {"delta": "word "})
    return Result("one token")


async def census(_: TaskContext) -> Result:
    """Collects garbage, and tells how many trio tasks live in the engine's process, itself included."""
    gc.collect()
    return Result(str(trio.lowlevel.current_statistics().tasks_living))


async def idler(_: TaskContext) -> Result:
    """Runs until it is cancelled."""
    await trio.sleep_forever()
    raise AssertionError("sleep_forever never returns")
