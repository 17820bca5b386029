"""Many short sleeps, woken with one timer."""

from __future__ import annotations

import heapq
import math
from collections.abc import Awaitable

import trio
from trio.lowlevel import Abort, RaiseCancelT, Task

GRAIN = 0.001
"""Seconds. Sleepers that fall due within so long of each other wake together, as late as that."""
LONGEST = 1.0
"""Seconds. Who sleeps longer has a timer of trio's own: what is left of one that is cancelled is gone by then."""


class Timers:
    """What a trio timer costs is mostly its own cancel scope, and the exception that ends it: a sleeper here has
    neither. `run` has one for all of them, at most once a GRAIN.

    The deadlines are on trio's clock. Who begins to sleep while `run` does not run has a timer of trio's own; who
    sleeps already waits until it runs again.
    """

    def __init__(self) -> None:
        self._due: list[tuple[float, int]] = []
        """A heap of the deadlines, with the numbers of the sleepers; some of them may have been cancelled."""
        self._sleepers: dict[int, Task] = {}
        self._count = 0
        self._nap: trio.CancelScope | None = None

    def sleep_until(self, deadline: float) -> Awaitable[None]:
        """Always a checkpoint. Raises trio.Cancelled as trio's own does."""
        now = trio.current_time()
        if now < deadline <= now + LONGEST:
            return self._sleep(max(deadline, now + GRAIN))
        return trio.sleep_until(deadline)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wakes those who are due, until it is cancelled."""
        self._nap = trio.CancelScope()
        task_status.started()
        try:
            while True:
                self._wake(trio.current_time())
                with trio.CancelScope(deadline=self._next()) as self._nap:
                    await trio.sleep_forever()
        finally:
            self._nap = None

    async def _sleep(self, deadline: float) -> None:
        # Looked at here, and not where this was called: it may be awaited later.
        nap = self._nap
        if nap is None:
            await trio.sleep_until(deadline)
            return
        self._count = number = self._count + 1
        self._sleepers[number] = trio.lowlevel.current_task()
        heapq.heappush(self._due, (deadline, number))
        if deadline < nap.deadline:
            nap.deadline = deadline

        def forget(_: RaiseCancelT) -> Abort:
            del self._sleepers[number]
            return Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(forget)

    def _wake(self, now: float) -> None:
        due, sleepers = self._due, self._sleepers
        while due and due[0][0] <= now:
            sleeper = sleepers.pop(heapq.heappop(due)[1], None)
            if sleeper is not None:
                trio.lowlevel.reschedule(sleeper)

    def _next(self) -> float:
        return max(self._due[0][0], trio.current_time() + GRAIN) if self._due else math.inf
