"""What becomes of the actors' reports: a log line, a count, and an alert where people should know."""

from __future__ import annotations

from collections import Counter
from typing import assert_never

import structlog
import trio

from actors.event import Json
from actors.report import (
    ChildCrashed,
    ChildRestarted,
    ChildStartFailed,
    DeadlineOutlived,
    EndedLate,
    GaveUp,
    Report,
    StopRaised,
)
from actors.task_reports import AgentCrashed, AgentOverstays, TaskReport

_log = structlog.get_logger("callboard")
_WAITING_ALERTS = 100


class EngineReporter:
    """Both ports in one. Alerts wait in a bounded queue for who can send them; beyond it they are only logged."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._send, self.alerts = trio.open_memory_channel[dict[str, Json]](_WAITING_ALERTS)

    def statistics(self) -> dict[str, int]:
        """How many reports of each kind there have been."""
        return dict(self._counts)

    def report(self, report: Report, /) -> None:
        self._counts[type(report).__name__] += 1
        match report:
            case ChildCrashed():
                _log.error("child crashed", supervisor=report.supervisor, child=report.child, exc_info=report.error)
            case ChildStartFailed():
                # What the system refuses, as a port in use, is told in its own words: no code of ours is at fault.
                bug = None if isinstance(report.error, OSError) else report.error
                _log.error("child did not start", child=report.child, reason=str(report.error), exc_info=bug)
            case ChildRestarted():
                _log.warning("child restarted", child=report.child, cause=report.cause, delay=report.delay)
            case StopRaised():
                _log.warning("child raised while stopping", child=report.child, exc_info=report.error)
            case DeadlineOutlived():
                _log.error("child outlives its stop deadline", child=report.child, seconds=report.deadline)
                self._alert("overstay", f"{report.child} has not stopped within {report.deadline:g} s")
            case EndedLate():
                _log.warning("child stopped late", child=report.child, late=report.late)
            case GaveUp():
                _log.critical("supervisor gave up", supervisor=report.supervisor, child=report.child)
                self._alert("restart_storm", f"{report.supervisor} gave up on {report.child}")
            case _:
                assert_never(report)

    def report_store(self, failure: str | None) -> None:
        """Why nothing can be kept; None once it can again."""
        self._counts["StoreFailed" if failure else "StoreRecovered"] += 1
        if failure is None:
            _log.info("the store works again")
            return
        _log.critical("the store fails: nothing is taken that must be kept", reason=failure)
        self._alert("store", f"nothing can be kept at the moment: {failure}")

    def report_task(self, report: TaskReport) -> None:
        self._counts[type(report).__name__] += 1
        match report:
            case AgentCrashed():
                _log.error("agent crashed", agent=report.agent, task=report.task_id, exc_info=report.error)
            case AgentOverstays():
                _log.error("cancelled agent does not stop", agent=report.agent, task=report.task_id)
                self._alert("overstay", f"{report.agent} of {report.task_id} runs on {report.seconds:g} s after cancel")
            case _:
                assert_never(report)

    def _alert(self, kind: str, message: str) -> None:
        try:
            self._send.send_nowait(
                {"alert_id": f"{kind}-{sum(self._counts.values())}", "kind": kind, "message": message}
            )
        except trio.WouldBlock:
            _log.warning("too many alerts wait: this one is not sent", kind=kind, message=message)
