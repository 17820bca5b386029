"""One child of a supervisor: its handle, one run of it, and the exception edge around that run."""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.childspec import ChildSpec
from actors.restarts import End


class StartFailed(Exception):
    """A child did not come up. `__cause__` is what it raised, TimeoutError where its start deadline passed."""

    def __init__(self, child: str, reason: str) -> None:
        super().__init__(f"{child} failed to start: {reason}")
        self.child = child


class Run:
    """One run of a child, and the `task_status` that its body is given.

    The scope is shielded: a child is stopped by its supervisor alone, in its turn, never by what cancels the
    supervisor. In exchange the supervisor cancels every run's scope on every way out.
    """

    __slots__ = ("_changed", "acknowledged", "asked", "ended_at", "error", "overdue_at", "scope", "since", "spec")

    def __init__(self, spec: ChildSpec, *, acknowledged: bool = False) -> None:
        self.spec = spec
        self.scope = trio.CancelScope(shield=True)
        self.acknowledged = acknowledged
        self.asked = False
        self.overdue_at: float | None = None
        self.since = trio.current_time()
        self.ended_at: float | None = None
        self.error: BaseException | None = None
        # Made only when somebody waits: most runs of a dynamic supervisor are never waited for.
        self._changed: trio.Event | None = None

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    @property
    def overdue(self) -> bool:
        """Whether it outlived its stop deadline, even if it has ended since."""
        return self.overdue_at is not None

    @property
    def ran(self) -> float:
        """Seconds from the acknowledgement to the end; 0 where it has not come to both."""
        return self.ended_at - self.since if self.acknowledged and self.ended_at is not None else 0.0

    @property
    def end(self) -> End:
        """How it ended. Defined once `ended` is True."""
        if self.asked:
            return End.STOPPED
        return End.NORMAL if self.error is None else End.CRASH

    def started(self, value: None = None) -> None:
        """The child's acknowledgement. One that comes too late, or twice, is dropped."""
        if not self.acknowledged and not self.scope.cancel_called:
            self.acknowledged = True
            self.since = trio.current_time()
            self._notify()

    def refuse(self) -> None:
        """Cancels a run that has not acknowledged in time: a failed start, not a stop."""
        self.scope.cancel(reason="its start deadline passed")

    def ask_stop(self) -> None:
        """Cancels the run. From now on its end, whatever it looks like, is a stop. Idempotent."""
        if not self.ended:
            self.asked = True
            self.scope.cancel(reason="its supervisor stops it")
            self._notify()

    def mark_overdue(self) -> None:
        """Notes that its stop deadline has passed."""
        self.overdue_at = trio.current_time()
        self._notify()

    def finish(self, error: BaseException | None) -> None:
        """Notes the end of the run."""
        self.error = error
        self.ended_at = trio.current_time()
        self._notify()

    async def wait(self, condition: Callable[[Run], bool]) -> None:
        """Waits until the condition holds. It is looked at again whenever the run's state changes."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not condition(self):
            if self._changed is None:
                self._changed = trio.Event()
            await self._changed.wait()

    async def wait_ended(self) -> None:
        await self.wait(lambda run: run.ended)

    def _notify(self) -> None:
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.set()


class ChildHandle:
    """One child over all its runs: what a dynamic supervisor hands out."""

    __slots__ = ("__weakref__", "delay", "run", "spec")

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.run: Run | None = None
        """The latest run, which may have ended."""
        self.delay: float | None = None
        """The wait in seconds before the last restart."""

    @property
    def running(self) -> bool:
        """Whether a run of it lives now."""
        return self.run is not None and not self.run.ended

    def __repr__(self) -> str:
        return f"<child {self.spec.name!r} {'running' if self.running else 'not running'}>"


async def live(child: ChildHandle, run: Run, on_end: Callable[[ChildHandle, Run], None]) -> None:
    """Runs the body once, in its own scope, and turns its end, however it looks, into one call of `on_end`."""
    error: BaseException | None = None
    passing: BaseException | None = None
    try:
        with run.scope:
            if not run.asked:
                await run.spec.run(run)
    except BaseException as raised:  # noqa: BLE001  # the edge at which a child's failure stops being its siblings'
        passing, error = divide(raised)
        # What stops the process is a request to stop: this child is not to be started again either.
        run.asked = run.asked or passing is not None
    run.finish(error)
    on_end(child, run)
    if passing is not None:
        raise passing


def divide(raised: BaseException) -> tuple[BaseException | None, BaseException | None]:
    """Parts what left a child's scope into (what passes on, what was the child's own failure); groups are split.

    KeyboardInterrupt, SystemExit and their like are meant for the process: they pass on and so stop the tree, in order.
    A Cancelled that comes this far is not a cancellation: the child's scope takes every one that was asked of it, and
    its shield keeps all others away. It was meant for a scope that is gone, kept and raised again too late, and let
    through it would cancel the siblings. So it counts as the failure of the child that leaked it.
    """
    if isinstance(raised, BaseExceptionGroup):
        return raised.split(_passes)
    return (raised, None) if _passes(raised) else (None, raised)


def _passes(error: BaseException) -> bool:
    return not isinstance(error, (Exception, trio.Cancelled, BaseExceptionGroup))
