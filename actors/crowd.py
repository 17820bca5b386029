"""The supervisor of very many short-lived children that are alike: connections, and the writers of those that lag."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from actors.child import divide
from actors.childspec import ChildSpec, Restart
from actors.dynamic_supervisor import NotRunning, TooManyChildren
from actors.report import ChildCrashed, DeadlineOutlived, EndedLate, Reporter, StopRaised
from actors.supervision import GRACE, SupervisorStatistics


class Crowd:
    """Starts children on request and never again, stops all at once and none by itself.

    So a child costs one trio task: what a `DynamicSupervisor` keeps for each, to restart it, to stop it and to wait for
    its acknowledgement, is not there. All else is the same: a crash is reported and no sibling notices, a stop is
    ordered and has a deadline, and who outlives that is reported and waited for. Names need not differ.
    """

    def __init__(self, name: str, *, reporter: Reporter, max_children: int, stop_seconds: float = 5.0) -> None:
        self.name = name
        self.max_children = max_children
        self._reporter = reporter
        self._stop_seconds = stop_seconds
        self._children: trio.Nursery | None = None
        # `child_tasks` is a copy of the nursery's set: to count that would cost a crowd's size each time.
        self._count = 0
        self._overdue_since: float | None = None
        self._started = self._crashed = 0

    @property
    def count(self) -> int:
        """How many children it holds, those overdue included."""
        return self._count

    def statistics(self) -> SupervisorStatistics:
        overdue = 0 if self._overdue_since is None else self.count
        return SupervisorStatistics(self.name, self.count, overdue, self._started, self._crashed, restarted=0)

    def as_child(self, restart: Restart = Restart.PERMANENT) -> ChildSpec:
        """This supervisor as a child of another."""
        return ChildSpec(self.name, self.run, restart, stop_deadline=self._stop_seconds + GRACE)

    def start_nowait(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Starts a child. Raises NotRunning or TooManyChildren."""
        children = self._children
        # Cancelled by a stop, or by what a child let pass: from then on the nursery may close at any time.
        if children is None or children.cancel_scope.cancel_called:
            raise NotRunning(f"{self.name} is not running")
        if self._count >= self.max_children:
            raise TooManyChildren(self.name, self.max_children)
        self._started += 1
        self._count += 1
        children.start_soon(self._live, run, children.cancel_scope, name=name)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Takes children until cancelled, and stops them.

        Raises trio.Cancelled, when all have ended. Where KeyboardInterrupt or the like left a child it raises that, in
        a group. May be called again when it has ended. RuntimeError while it runs.
        """
        if self._children is not None:
            raise RuntimeError(f"supervisor {self.name} is running")
        ended = trio.Event()
        try:
            async with trio.open_nursery() as outer:
                try:
                    async with trio.open_nursery() as self._children:
                        # Stopped by their supervisor alone, in its turn, never by what cancels the supervisor.
                        self._children.cancel_scope.shield = True
                        outer.start_soon(self._stop_when_cancelled, self._children, ended)
                        task_status.started()
                        await trio.sleep_forever()
                finally:
                    ended.set()
        finally:
            self._children = None
            self._overdue_since = None

    async def _stop_when_cancelled(self, children: trio.Nursery, ended: trio.Event) -> None:
        try:
            await trio.sleep_forever()
        finally:
            children.cancel_scope.cancel(reason="its supervisor stops it")
            with trio.move_on_after(self._stop_seconds, shield=True):
                await ended.wait()
            if not ended.is_set():
                self._overdue_since = trio.current_time()
                for task in children.child_tasks:
                    self._reporter.report(DeadlineOutlived(self.name, task.name, self._stop_seconds))

    async def _live(self, run: Callable[[], Awaitable[None]], siblings: trio.CancelScope) -> None:
        """Runs a child, and is the edge at which its failure stops being its siblings'."""
        try:
            await run()
        except BaseException as raised:  # noqa: BLE001  # what is the child's own goes no further
            passing, error = divide(raised)
            if error is not None:
                self._report_failure(error, stopped=siblings.cancel_called or passing is not None)
            if passing is not None:
                raise passing from None
        finally:
            self._count -= 1
        if self._overdue_since is not None:
            name = trio.lowlevel.current_task().name
            self._reporter.report(EndedLate(self.name, name, trio.current_time() - self._overdue_since))

    def _report_failure(self, error: BaseException, *, stopped: bool) -> None:
        name = trio.lowlevel.current_task().name
        if not stopped:
            # A Cancelled too: nobody has asked for it, it was meant for a scope that is gone.
            self._crashed += 1
            self._reporter.report(ChildCrashed(self.name, name, error))
        elif (rest := _without_cancelled(error)) is not None:
            self._reporter.report(StopRaised(self.name, name, rest))


def _without_cancelled(error: BaseException) -> BaseException | None:
    if isinstance(error, BaseExceptionGroup):
        return error.split(trio.Cancelled)[1]
    return None if isinstance(error, trio.Cancelled) else error
