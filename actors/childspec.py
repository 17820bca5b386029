"""What a supervisor is told of a child."""

from __future__ import annotations

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
    """One child. Deadlines are seconds; one that has not acknowledged its start by `start_deadline` failed to start."""

    name: str
    run: Body
    restart: Restart = Restart.PERMANENT
    start_deadline: float = 5.0
    stop_deadline: float = 5.0


class Intensity(msgspec.Struct, frozen=True):
    """More than `restarts` restarts within `period` seconds and the supervisor gives up."""

    restarts: int = 3
    period: float = 5.0


class Backoff(msgspec.Struct, frozen=True):
    """The wait before the n-th restart in a row: `first * factor ** (n - 1)` seconds, at most `most`."""

    first: float = 0.05
    factor: float = 2.0
    most: float = 5.0
