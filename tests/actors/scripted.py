"""Children that live by a script, and a trace of what they and their supervisor did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import msgspec
import trio

from actors.childspec import Body, ChildSpec, Restart
from actors.report import ChildRestarted, DeadlineOutlived, GaveUp, Report

R = TypeVar("R")


class Failure(Exception):
    """What a scripted child raises."""


class Life(msgspec.Struct, frozen=True):
    """One run. Times are seconds: from the start to the acknowledgement, from there to the end, from a stop to the end.

    `ack` None never acknowledges; `fails` raises in its place; `lasts` None runs until stopped.
    """

    ack: float | None = 0.0
    fails: bool = False
    lasts: float | None = None
    crashes: bool = True
    stop_takes: float = 0.0
    stop_raises: bool = False


class Trace:
    """Takes notes of children and reports of supervisors, each as (time, child, what)."""

    def __init__(self) -> None:
        self.events: list[tuple[float, str, str]] = []
        self.reports: list[Report] = []

    def note(self, child: str, what: str) -> None:
        self.events.append((trio.current_time(), child, what))

    def report(self, report: Report, /) -> None:
        self.reports.append(report)
        match report:
            case ChildRestarted():
                self.note(report.child, "restarted")
            case DeadlineOutlived():
                self.note(report.child, "outlived")
            case GaveUp():
                self.note(report.child, "gave up")
            case _:
                pass

    def of(self, what: str) -> list[str]:
        """The children that did this, in order."""
        return [child for _, child, done in self.events if done == what]

    def times(self, child: str, what: str) -> list[float]:
        return [time for time, name, done in self.events if name == child and done == what]

    def reported(self, kind: type[R]) -> list[R]:
        return [report for report in self.reports if isinstance(report, kind)]


def script(trace: Trace, name: str, lives: Sequence[Life] = (), then: Life = Life()) -> Body:  # noqa: B008  # frozen
    """A body whose n-th run is the n-th life, and `then` from there on."""
    left = list(lives)

    async def body(task_status: trio.TaskStatus[None]) -> None:
        life = left.pop(0) if left else then
        trace.note(name, "start")
        try:
            await trio.sleep_forever() if life.ack is None else await trio.sleep(life.ack)
            if not life.fails:
                task_status.started()
                trace.note(name, "up")
                await trio.sleep_forever() if life.lasts is None else await trio.sleep(life.lasts)
        except trio.Cancelled:
            trace.note(name, "asked")
            with trio.CancelScope(shield=True, deadline=trio.current_time() + 1000):
                await trio.sleep(life.stop_takes)
            trace.note(name, "gone")
            if life.stop_raises:
                raise Failure(name) from None
            raise
        trace.note(name, "fail" if life.fails else "crash" if life.crashes else "return")
        if life.fails or life.crashes:
            raise Failure(name)

    return body


def child(
    trace: Trace,
    name: str,
    *lives: Life,
    restart: Restart = Restart.PERMANENT,
    start_deadline: float = 2.0,
    stop_deadline: float = 1.0,
) -> ChildSpec:
    """A spec of a scripted child that is steady once its lives are used up."""
    return ChildSpec(name, script(trace, name, lives), restart, start_deadline, stop_deadline)
