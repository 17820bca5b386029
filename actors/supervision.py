"""What every supervisor does: runs children at an exception edge, counts restarts, gives up, stops when asked."""

from __future__ import annotations

from abc import ABC, abstractmethod

import msgspec
import trio

from actors.child import ChildHandle, Run, StartFailed, live
from actors.childspec import Backoff, Intensity
from actors.report import (
    ChildCrashed,
    ChildRestarted,
    ChildStartFailed,
    DeadlineOutlived,
    EndedLate,
    GaveUp,
    Report,
    Reporter,
    StopRaised,
)
from actors.restarts import End, RestartWindow, next_delay, restarts_after

GRACE = 1.0
"""Seconds by which a supervisor's own deadlines exceed its children's, so that theirs always pass first."""


class RestartsExceeded(Exception):
    """A supervisor gave up. `__cause__` is the last failure; None where a permanent child had ended normally."""

    def __init__(self, supervisor: str, child: str, intensity: Intensity) -> None:
        super().__init__(
            f"{supervisor} gave up on {child}: more than {intensity.restarts} restarts in {intensity.period} s"
        )
        self.supervisor = supervisor
        self.child = child


class SupervisorStatistics(msgspec.Struct, frozen=True):
    """`children` are those held: starting, running, waiting for a restart or overdue. The last three are totals."""

    name: str
    children: int
    overdue: int
    """How many have outlived a deadline and still run."""
    started: int
    crashed: int
    restarted: int


class Supervision(ABC):
    """The life of a supervisor. `run` is a child's body itself, so that trees nest."""

    def __init__(self, name: str, *, intensity: Intensity, backoff: Backoff, reporter: Reporter) -> None:
        self.name = name
        self._intensity = intensity
        self._backoff = backoff
        self._reporter = reporter
        self._window = RestartWindow(intensity)
        self._nursery: trio.Nursery | None = None
        self._work = trio.CancelScope()
        self._stopping = False
        self._stopped = trio.Event()
        # Failures that wait for the loop, oldest first, at most one a child.
        self._failures: dict[ChildHandle, BaseException | None] = {}
        self._failed = trio.Event()
        self._overdue = self._started = self._crashed = self._restarted = 0

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Starts the children, acknowledges, supervises until cancelled or told to `stop`, and stops the children.

        Raises StartFailed, RestartsExceeded, trio.Cancelled; in each case the children have been stopped first, and
        those that outlive their deadline have been waited for. Where KeyboardInterrupt or the like left a child it
        raises that, in a group. May be called again when it has ended. RuntimeError while it runs.
        """
        if self._nursery is not None:
            raise RuntimeError(f"supervisor {self.name} is running")
        failure: Exception | None = None
        try:
            async with trio.open_nursery() as self._nursery:
                self._begin()
                try:
                    with self._work:
                        failure = await self._supervise(task_status)
                except StartFailed as error:
                    failure = error
                finally:
                    self._stopping = True
                    await self._stop_children()
                    self._stopped.set()
        finally:
            self._nursery = None
        if failure is not None:
            raise failure

    def stop(self) -> None:
        """Asks for an ordered stop, after which `run` returns. Idempotent; no effect while it does not run.

        Meant for the root of a tree: anywhere else the parent sees a normal end. Called before the children are up,
        `run` returns without having acknowledged.
        """
        self._work.cancel(reason="stop was called")

    async def wait_stopped(self) -> None:
        """Returns once the ordered stop is over: every child has ended, or has outlived its deadline and is reported.

        In the latter case `run` goes on until the last of them ends.
        """
        await self._stopped.wait()

    @property
    def running(self) -> bool:
        """Whether it runs and has not begun to stop."""
        return self._nursery is not None and not self._stopping

    @property
    @abstractmethod
    def count(self) -> int:
        """How many children it holds."""

    def statistics(self) -> SupervisorStatistics:
        return SupervisorStatistics(self.name, self.count, self._overdue, self._started, self._crashed, self._restarted)

    @abstractmethod
    async def _start_children(self) -> None:
        """Raises StartFailed; whoever is up by then is stopped by the caller."""

    @abstractmethod
    async def _stop_children(self) -> None:
        """Stops all, each with its deadline, shielded from what cancels the supervisor."""

    @abstractmethod
    async def _recover(self, restarts: trio.Nursery, child: ChildHandle, delay: float) -> None:
        """Brings a failed child, and who goes with it, back after `delay` seconds, here or in `restarts`."""

    @abstractmethod
    def _forget(self, child: ChildHandle) -> None:
        """The child has ended and is not started again for it."""

    def _begin(self) -> None:
        self._window = RestartWindow(self._intensity)
        self._work = trio.CancelScope()
        self._stopping = False
        self._stopped = trio.Event()
        self._failures = {}

    async def _supervise(self, task_status: trio.TaskStatus[None]) -> Exception | None:
        """Runs until cancelled, or returns why it gives up: raised in here, that would be wrapped in a group."""
        await self._start_children()
        task_status.started()
        async with trio.open_nursery() as restarts:
            while True:
                child, cause = await self._next_failure()
                if not self._window.allow(trio.current_time()):
                    restarts.cancel_scope.cancel(reason="the supervisor gives up")
                    return self._give_up(child, cause)
                ran = 0.0 if child.run is None else child.run.ran
                child.delay = next_delay(self._backoff, child.delay, ran)
                await self._recover(restarts, child, child.delay)

    async def _next_failure(self) -> tuple[ChildHandle, BaseException | None]:
        await trio.lowlevel.checkpoint()
        while not self._failures:
            self._failed = trio.Event()
            await self._failed.wait()
        child = next(iter(self._failures))
        return child, self._failures.pop(child)

    def _give_up(self, child: ChildHandle, cause: BaseException | None) -> RestartsExceeded:
        self._report(GaveUp(self.name, child.spec.name, cause))
        failure = RestartsExceeded(self.name, child.spec.name, self._intensity)
        failure.__cause__ = cause
        return failure

    def _fail(self, child: ChildHandle, cause: BaseException | None) -> None:
        self._failures[child] = cause
        self._failed.set()

    def _spawn(self, child: ChildHandle, *, acknowledged: bool = False) -> Run:
        nursery = self._nursery
        if nursery is None:
            raise RuntimeError(f"supervisor {self.name} is not running")
        child.run = run = Run(child.spec, acknowledged=acknowledged)
        self._started += 1
        nursery.start_soon(live, child, run, self._on_end, name=child.spec.name)
        return run

    def _on_end(self, child: ChildHandle, run: Run) -> None:
        self._report_end(run)
        if not run.asked and not run.acknowledged:
            return  # a failed start: whoever waits for the acknowledgement decides
        if not self._stopping and restarts_after(child.spec.restart, run.end):
            self._fail(child, run.error)
        else:
            self._forget(child)

    def _report_end(self, run: Run) -> None:
        name = run.spec.name
        if run.overdue_at is not None:
            self._overdue -= 1
            self._report(EndedLate(self.name, name, trio.current_time() - run.overdue_at))
        if run.error is None:
            return
        if run.asked or run.scope.cancel_called:
            self._report(StopRaised(self.name, name, run.error))
        elif run.acknowledged and run.end is End.CRASH:
            self._crashed += 1
            self._report(ChildCrashed(self.name, name, run.error))

    async def _start(self, child: ChildHandle) -> None:
        """Starts a child and waits for its acknowledgement. Raises StartFailed.

        A former run that outlives its stop is waited for, however long: two runs of one child never live at once.
        """
        if child.run is not None:
            await child.run.wait_ended()
        await self._see_start(self._spawn(child))

    async def _restart(self, child: ChildHandle, cause: ChildHandle, delay: float) -> bool:
        """Starts a child again; a start that fails goes to the loop, which counts it as it counts a crash."""
        try:
            await self._start(child)
        except StartFailed as error:
            if child.run is None or not child.run.asked:
                self._fail(child, error)
            return False
        self._restarted += 1
        self._report(ChildRestarted(self.name, child.spec.name, cause.spec.name, delay))
        return True

    async def _see_start(self, run: Run) -> None:
        """Waits for the acknowledgement. Raises StartFailed, when the run is over or has outlived its stop deadline."""
        spec = run.spec
        with trio.move_on_after(spec.start_deadline):
            await run.wait(lambda run: run.acknowledged or run.asked or run.ended)
        if run.acknowledged:
            return
        if run.asked:
            raise StartFailed(spec.name, "it was stopped before it acknowledged")
        cause = run.error
        if not run.ended:
            cause = TimeoutError(f"no acknowledgement in {spec.start_deadline} s")
            run.refuse()
            await self._see_end(run)
        elif cause is None:
            cause = RuntimeError("it returned without an acknowledgement")
        self._report(ChildStartFailed(self.name, spec.name, cause))
        raise StartFailed(spec.name, str(cause) or type(cause).__name__) from cause

    async def _stop(self, run: Run) -> None:
        """Stops a run, or gives it up to the background once its deadline has passed."""
        run.ask_stop()
        if not run.overdue:
            await self._see_end(run)

    async def _see_end(self, run: Run) -> None:
        with trio.move_on_after(run.spec.stop_deadline):
            await run.wait_ended()
        self._check_overdue(run)

    def _check_overdue(self, run: Run) -> None:
        if not run.ended and not run.overdue:
            self._overdue += 1
            run.mark_overdue()
            self._report(DeadlineOutlived(self.name, run.spec.name, run.spec.stop_deadline))

    def _report(self, report: Report) -> None:
        self._reporter.report(report)
