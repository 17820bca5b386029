"""The supervisor of children that come and go: channels, sessions, tasks."""

from __future__ import annotations

import trio

from actors.child import ChildHandle
from actors.childspec import Backoff, ChildSpec, Intensity, Restart
from actors.report import Reporter
from actors.spawner import CannotSpawn
from actors.supervision import GRACE, Supervision


class NotRunning(CannotSpawn):
    """A dynamic supervisor takes children only between its start and the beginning of its stop."""


class TooManyChildren(CannotSpawn):
    """A dynamic supervisor holds `limit` children already. Those overdue or waiting for a restart count."""

    def __init__(self, supervisor: str, limit: int) -> None:
        super().__init__(f"{supervisor} has its maximum of {limit} children")
        self.limit = limit


class DynamicSupervisor(Supervision):
    """Starts children on request, each for itself, and stops all at once. Holds nothing of those that have ended.

    Restarts are one_for_one. Names need not differ. `stop_deadline` in seconds is what its own parent grants it; it
    should exceed the longest of its children's.
    """

    def __init__(
        self,
        name: str,
        *,
        reporter: Reporter,
        max_children: int,
        intensity: Intensity = Intensity(),  # noqa: B008  # frozen
        backoff: Backoff = Backoff(),  # noqa: B008  # frozen
        stop_deadline: float = 5.0 + GRACE,
    ) -> None:
        super().__init__(name, intensity=intensity, backoff=backoff, reporter=reporter)
        self.max_children = max_children
        self.stop_deadline = stop_deadline
        self._children: set[ChildHandle] = set()

    @property
    def count(self) -> int:
        return len(self._children)

    def as_child(self, restart: Restart = Restart.PERMANENT) -> ChildSpec:
        """This supervisor as a child of another."""
        return ChildSpec(self.name, self.run, restart, stop_deadline=self.stop_deadline)

    async def start_child(self, spec: ChildSpec) -> ChildHandle:
        """Starts a child and waits for its acknowledgement.

        Raises NotRunning, TooManyChildren or StartFailed. Cancelled while it waits, it has the child stopped.
        """
        child = self._admit(spec)
        run = self._spawn(child)
        try:
            await self._see_start(run)
        except BaseException:
            # Failed or cancelled, the caller gets no handle: nobody else could ever stop the child.
            self.stop_child_nowait(child)
            raise
        return child

    def start_child_nowait(self, spec: ChildSpec) -> ChildHandle:
        """Starts a child and neither waits for an acknowledgement nor insists on one.

        Raises NotRunning or TooManyChildren.
        """
        child = self._admit(spec)
        self._spawn(child, acknowledged=True)
        return child

    async def stop_child(self, child: ChildHandle) -> bool:
        """Stops a child for good. True when it is gone, False when it has outlived its deadline, which is reported."""
        self.stop_child_nowait(child)
        run = child.run
        if run is None:
            await trio.lowlevel.checkpoint()
            return True
        await run.wait(lambda run: run.ended or run.overdue)
        return run.ended

    def stop_child_nowait(self, child: ChildHandle) -> None:
        """Asks a child to stop, and sees to its deadline. Idempotent; no effect on one that has ended."""
        if child not in self._children:
            return
        run = child.run
        if run is None or run.ended:
            self._forget(child)  # it waits for a restart, which now finds it gone
        elif not run.asked and self._nursery is not None:
            run.ask_stop()
            self._nursery.start_soon(self._stop, run, name=f"stop {child.spec.name}")

    async def _start_children(self) -> None:
        await trio.lowlevel.checkpoint()

    async def _stop_children(self) -> None:
        runs = [child.run for child in self._children if child.run is not None]
        begin = trio.current_time()
        for run in runs:
            run.ask_stop()
        runs.sort(key=lambda run: run.spec.stop_deadline)
        longest = runs[-1].spec.stop_deadline if runs else 0.0
        with trio.CancelScope(shield=True, deadline=begin + longest + GRACE):
            for run in runs:
                with trio.move_on_at(begin + run.spec.stop_deadline):
                    await run.wait_ended()
                self._check_overdue(run)
        self._children.intersection_update([child for child in self._children if child.running])

    async def _recover(self, restarts: trio.Nursery, child: ChildHandle, delay: float) -> None:
        restarts.start_soon(self._restart_later, child, delay)
        await trio.lowlevel.checkpoint()

    async def _restart_later(self, child: ChildHandle, delay: float) -> None:
        await trio.sleep(delay)
        if child.run is not None:
            await child.run.wait_ended()
        if child in self._children:
            await self._restart(child, child, delay)

    def _forget(self, child: ChildHandle) -> None:
        self._children.discard(child)
        self._failures.pop(child, None)

    def _admit(self, spec: ChildSpec) -> ChildHandle:
        if not self.running:
            raise NotRunning(f"{self.name} is not running")
        if len(self._children) >= self.max_children:
            raise TooManyChildren(self.name, self.max_children)
        child = ChildHandle(spec)
        self._children.add(child)
        return child
