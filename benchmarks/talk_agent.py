"""The agent that the benchmark of the dialects runs: something of each kind that the dialects tell of a task."""

from __future__ import annotations

import time

import trio

from actors.agent import Result, TaskContext

MARKER = "<t="
"""Stands before the time stamp in each piece, as MARKER of the load generator."""
PER_SECOND = 20
ARTIFACT_EVERY = 5
"""Ticks from one artifact to the next: whoever is told whole messages only is told of it."""


async def talker(task: TaskContext) -> Result:
    """Waits for the first appended turn, so that the clients are there; then, at a rate, a piece of text and a step's
    progress at each tick, and an artifact at some. Never ends by itself."""
    await task.next_turn()
    await task.step_started("talk", "Talk")
    began, tick = trio.current_time(), 0
    while True:
        await trio.sleep_until(began + tick / PER_SECOND)
        stamp = f"{MARKER}{time.monotonic_ns()}> "
        await task.message(stamp)
        await task.step_progress("talk", tick % 100 / 100, stamp)
        if tick % ARTIFACT_EVERY == 0:
            await task.artifact("note", "text/plain", stamp)
        tick += 1
