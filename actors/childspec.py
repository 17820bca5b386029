"""What a supervisor is told of a child."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TypeAlias

import msgspec
import trio

Body: TypeAlias = Callable[["trio.TaskStatus[None]"], Awaitable[None]]
"""A child's run. It calls `task_status.started()` once it is ready; returning is a normal end, raising is a crash."""


class Restart(Enum):
    """When a child is started again after it ended by itself."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a crash."""
    TEMPORARY = "temporary"
    """Never, also when its siblings are."""


class Strategy(Enum):
    """Which siblings are restarted together with a child."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class ChildSpec(msgspec.Struct, frozen=True):
    """One child. Deadlines are seconds; one that has not acknowledged its start by `start_deadline` failed to start.

    One that still runs `stop_deadline` after it was asked to stop is reported, and no longer holds up the others.
    Raises ValueError for a deadline that is negative or not finite.
    """

    name: str
    run: Body
    restart: Restart = Restart.PERMANENT
    start_deadline: float = 5.0
    stop_deadline: float = 5.0

    def __post_init__(self) -> None:
        if not (0 <= self.start_deadline < math.inf and 0 <= self.stop_deadline < math.inf):
            raise ValueError(f"the deadlines of {self.name!r} must be finite and not negative")


class Intensity(msgspec.Struct, frozen=True):
    """More than `restarts` restarts within `period` seconds and the supervisor gives up.

    Raises ValueError for a negative count or a period that is not positive.
    """

    restarts: int = 3
    period: float = 5.0

    def __post_init__(self) -> None:
        if self.restarts < 0 or not self.period > 0:
            raise ValueError("an intensity is 0 or more restarts in a period above 0 seconds")


class Backoff(msgspec.Struct, frozen=True):
    """The wait before the n-th restart in a row: `first * factor ** (n - 1)` seconds, at most `most`.

    A child that ran for `reset_after` seconds between its acknowledgement and its end ran well: the row begins anew.
    Raises ValueError for a negative or endless wait or a factor below 1.
    """

    first: float = 0.05
    factor: float = 2.0
    most: float = 5.0
    reset_after: float = 10.0

    def __post_init__(self) -> None:
        if not (0 <= self.first < math.inf and 0 <= self.most < math.inf and self.factor >= 1):
            raise ValueError("a back-off has finite waits that are not negative and a factor of 1 or more")
