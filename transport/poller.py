"""One task that waits for all idle connections, in place of a task each."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import trio

from actors.pace import Pace
from transport.deadlines import Deadlines

_AT_ONCE = 256
"""Descriptors asked for in one system call."""


class Resident(Protocol):
    """A connection that waits in the poller. No method blocks, and none lets an error of its own out."""

    def ready(self) -> None:
        """Its socket can be read, or is over, or it has asked for another turn. Called again and again until the socket
        is read to the end, or removed."""
        ...

    def overdue(self) -> None:
        """The moment has come that was asked for by `call_after`, whatever has changed meanwhile: it looks."""
        ...

    def abandon(self) -> None:
        """The poller ends: nobody waits for this connection any more, and it ends too. It is removed already."""
        ...


class Poller:
    """A child to be supervised. Each descriptor is registered once for the whole time that it is idle, where trio
    would make two system calls a wait, of which one fails.

    A turn is cut in slices (`Pace`), and what one resident may do in one is the resident's to bound.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll() if sys.platform == "linux" else None
        """Elsewhere nobody can wait here: each connection keeps its task."""
        self._residents: dict[int, Resident] = {}
        self._unfinished: dict[int, None] = {}
        """The descriptors of those who have asked for another turn."""
        self._awake = False
        self._deadlines: Deadlines[Resident] = Deadlines()
        self._sleep = trio.CancelScope()
        self._running = False

    def __len__(self) -> int:
        return len(self._residents)

    def add(self, fileno: int, resident: Resident) -> bool:
        """False where nobody would look after it: the poller does not run, or the kernel takes no more."""
        if not self._running or self._epoll is None:
            return False
        try:
            self._epoll.register(fileno, select.EPOLLIN)
        except OSError:
            return False
        self._residents[fileno] = resident
        return True

    def ask_turn(self, fileno: int) -> bool:
        """Has the resident be `ready` once more after the others, also where nothing comes. False where the poller
        sleeps, and would not wake by that: it is for residents in their turn."""
        if self._awake:
            self._unfinished[fileno] = None
        return self._awake

    def remove(self, fileno: int) -> None:
        """Idempotent."""
        if self._residents.pop(fileno, None) is not None and self._epoll is not None:
            # One that was closed has left by that.
            with suppress(OSError):
                self._epoll.unregister(fileno)

    def call_after(self, seconds: float, now: float, resident: Resident) -> None:
        """Has `overdue` called so long after `now`, whether the resident waits here or not, unless it is called off."""
        at = self._deadlines.add(resident, seconds, now)
        # To set it costs more than all the rest of this.
        if at < self._sleep.deadline:
            self._sleep.deadline = at

    def call_off(self, seconds: float, resident: Resident) -> None:
        """Idempotent."""
        self._deadlines.remove(resident, seconds)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled. Whoever is without a task then is abandoned."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._keep_time)
                self._running = True
                task_status.started()
                await self._watch()
        finally:
            self._running = self._awake = False
            self._unfinished.clear()
            while self._residents:
                fileno, resident = next(iter(self._residents.items()))
                self.remove(fileno)
                resident.abandon()

    async def _watch(self) -> None:
        if (epoll := self._epoll) is None:
            await trio.sleep_forever()
        while True:
            self._awake = False
            await trio.lowlevel.wait_readable(epoll.fileno())
            self._awake = True
            while turns := self._turns(epoll):
                await self._attend(turns)
                await trio.lowlevel.checkpoint()

    def _turns(self, epoll: select.epoll) -> Iterable[int]:
        """Whose turn it is now, each once."""
        unfinished, self._unfinished = self._unfinished, {}
        return unfinished | dict.fromkeys(fileno for fileno, _ in epoll.poll(0, _AT_ONCE))

    async def _attend(self, filenos: Iterable[int]) -> None:
        pace = Pace()
        for fileno in filenos:
            # One may have left meanwhile. If its number is another's by now, that one finds nothing to read.
            if (resident := self._residents.get(fileno)) is not None:
                resident.ready()
            if pace.is_due():
                await pace.step_aside()

    async def _keep_time(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._deadlines.first) as self._sleep:
                await trio.sleep_forever()
            pace = Pace()
            for resident in self._deadlines.take_due(trio.current_time()):
                resident.overdue()
                if pace.is_due():
                    await pace.step_aside()
