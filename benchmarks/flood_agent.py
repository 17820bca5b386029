"""The agent that the fan-out benchmark runs: it emits small events, alone or in bursts, at a rate or at full speed."""

from __future__ import annotations

import time

import msgspec
import trio

from actors.agent import Result, TaskContext
from actors.event import Json


class Flood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The task's prompt, as JSON.

    `events`: how many in all, 0 for as many as it is let. `rate`: events a second, 0 for full speed. `pad`: bytes that
    fill each event up. `window`: events in one burst. `pause`: how often it steps aside after a burst at full speed;
    as often as a fan-out does or more, and each burst is one write to each subscriber. `fill`: events of FILLER_BYTES
    and without a time stamp that come first, so that a subscriber who reads nothing has stalled by then. `due`: at a
    rate the time stamp is when the event was due, so that an engine which was busy elsewhere meanwhile is told by it.
    `kept`: each event, a `task.once` then, is committed before the next one is emitted; without bursts.
    """

    events: int = 0
    rate: float = 0.0
    pad: int = 0
    window: int = 1
    pause: int = 0
    fill: int = 0
    due: bool = False
    kept: bool = False


FILLER_BYTES = 16 << 10


async def flood(task: TaskContext) -> Result:
    """Waits for the first appended turn, so that the subscribers are there, then emits `bench.tick` events."""
    order = msgspec.json.decode(task.prompt, type=Flood)
    pad = "x" * order.pad
    await task.next_turn()

    def told(late: float) -> Json:
        return {"t": time.monotonic_ns() - int(late * 1e9), "pad": pad}

    async def tick(late: float = 0.0) -> None:
        await task.emit("bench.tick", told(late))

    async def keep(number: int, late: float) -> None:
        async def result() -> Json:
            return told(late)

        await task.once(str(number), result)

    for _ in range(order.fill):
        await task.emit("bench.fill", {"pad": "x" * FILLER_BYTES})
    began = trio.current_time()
    sent = 0
    while not order.events or sent < order.events:
        late = 0.0
        if order.rate:
            await trio.sleep_until(began + sent / order.rate)
            late = trio.current_time() - began - sent / order.rate if order.due else 0.0
        burst = min(order.window, order.events - sent) if order.events else order.window
        if order.kept:
            await keep(sent, late)
        elif burst == 1:
            await tick(late)
        else:
            # Each emit steps aside for the channel: only side by side do all of a burst wait in its mailbox at once.
            async with trio.open_nursery() as nursery:
                for _ in range(burst):
                    nursery.start_soon(tick, late)
        sent += burst
        if not order.rate:
            for _ in range(order.pause):
                await trio.lowlevel.checkpoint()
    return Result(f"{sent} events")
