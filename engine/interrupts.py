"""What Ctrl-C does to a command that talks to a server."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import trio

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C has ended, as shells give it."""


class Interrupts:
    """Ctrl-C does what `action` says, once; it ends the command where that is None."""

    def __init__(self) -> None:
        self.action: Callable[[], None] | None = None

    async def obey(self, signals: AsyncIterator[int], end: Callable[[], None]) -> None:
        async for _ in signals:
            action, self.action = self.action, None
            (action or end)()


Interruptible: TypeAlias = Callable[[Interrupts], Awaitable[int]]


async def interruptible(command: Interruptible) -> int:
    """Runs it and returns its exit status, or INTERRUPTED. What it raises is raised as it is."""
    status = INTERRUPTED
    failure: Exception | None = None
    interrupts = Interrupts()
    with trio.open_signal_receiver(signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(interrupts.obey, signals, nursery.cancel_scope.cancel)
            try:
                status = await command(interrupts)
            except Exception as error:  # noqa: BLE001  raised outside the nursery, which would wrap it in a group
                failure = error
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return status
