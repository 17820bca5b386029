"""The arithmetic of restarts: who is started again, when, and how often is too often. No clock and no task here."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import assert_never

from actors.childspec import Backoff, Intensity, Restart, Strategy


class End(Enum):
    """How a run of a child ended. What parts a stop from a crash is who asked for it, never the exception's type."""

    NORMAL = "normal"
    """It returned by itself."""
    CRASH = "crash"
    """It raised by itself."""
    STOPPED = "stopped"
    """Its supervisor had asked it to stop, whatever it then returned or raised."""


def restarts_after(restart: Restart, end: End) -> bool:
    """Whether a child of this kind is started again after such an end."""
    if end is End.STOPPED:
        return False
    match restart:
        case Restart.PERMANENT:
            return True
        case Restart.TRANSIENT:
            return end is End.CRASH
        case Restart.TEMPORARY:
            return False
        case _:
            assert_never(restart)


def group_of(strategy: Strategy, index: int, count: int) -> range:
    """The indices, in start order, of the children that are stopped and started with the one at `index` of `count`."""
    match strategy:
        case Strategy.ONE_FOR_ONE:
            return range(index, index + 1)
        case Strategy.ONE_FOR_ALL:
            return range(count)
        case Strategy.REST_FOR_ONE:
            return range(index, count)
        case _:
            assert_never(strategy)


def next_delay(backoff: Backoff, previous: float | None, ran: float) -> float:
    """Seconds to wait before a restart.

    `previous` is the wait before the child's last restart, None where there was none, and `ran` the seconds from its
    last acknowledgement to its end, 0 where it did not get that far. A run of `backoff.reset_after` or more was a good
    one: the next wait is the first again.
    """
    if previous is None or ran >= backoff.reset_after:
        return min(backoff.first, backoff.most)
    return min(previous * backoff.factor, backoff.most)


class RestartWindow:
    """Counts restarts within the last `period` seconds. Holds at most one time more than the intensity allows."""

    def __init__(self, intensity: Intensity) -> None:
        self._intensity = intensity
        self._times: deque[float] = deque(maxlen=intensity.restarts + 1)

    def allow(self, now: float) -> bool:
        """Counts a restart at `now` seconds; False when it is one too many. Times must not go backwards."""
        self._times.append(now)
        while now - self._times[0] > self._intensity.period:
            self._times.popleft()
        return len(self._times) <= self._intensity.restarts
