"""What a supervisor tells the world: typed reports, and the port that takes them."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec


class ChildCrashed(msgspec.Struct, frozen=True):
    """A child raised and nobody had asked it to stop."""

    supervisor: str
    child: str
    error: BaseException


class ChildStartFailed(msgspec.Struct, frozen=True):
    """A child raised or returned before it acknowledged, or did not acknowledge in time (`error` is TimeoutError)."""

    supervisor: str
    child: str
    error: BaseException


class ChildRestarted(msgspec.Struct, frozen=True):
    """A child was started again and acknowledged. `cause` names the child whose failure led to it: itself or a sibling.

    `delay` is the back-off before it, in seconds.
    """

    supervisor: str
    child: str
    cause: str
    delay: float


class StopRaised(msgspec.Struct, frozen=True):
    """A child raised while it was being stopped: no crash, and it is not started again for it, but not dropped."""

    supervisor: str
    child: str
    error: BaseException


class DeadlineOutlived(msgspec.Struct, frozen=True):
    """A child still runs `deadline` seconds after it was asked to stop. It goes on being waited for."""

    supervisor: str
    child: str
    deadline: float


class EndedLate(msgspec.Struct, frozen=True):
    """A child that had outlived its deadline is gone at last, `late` seconds after the deadline."""

    supervisor: str
    child: str
    late: float


class GaveUp(msgspec.Struct, frozen=True):
    """Too many restarts: the supervisor stops its children and ends abnormally. `child` failed last, with `error`.

    `error` is None where that child ended normally although it is permanent.
    """

    supervisor: str
    child: str
    error: BaseException | None


Report: TypeAlias = (
    ChildCrashed | ChildStartFailed | ChildRestarted | StopRaised | DeadlineOutlived | EndedLate | GaveUp
)


class Reporter(Protocol):
    """The port behind which reports become log lines and alerts."""

    def report(self, report: Report, /) -> None:
        """Takes a report. Never blocks and never raises: an exception from here ends the supervisor."""
        ...
