"""How a store fares that may fail: what is told of it, and whether clients may try it. Plain: no I/O."""

from __future__ import annotations

import math
from collections.abc import Callable

from actors.store import Record, Write

_TRIAL = "trial"
_LEAST_BYTES = 64 << 10
"""Of a trial: more than what a full disk has left beside the file, and takes the small commits of."""
_MOST_BYTES = 4 << 20


class StoreCondition:
    """A store that is full refuses what is large and takes what is small. So what it takes says little: it is told to
    work again once it has kept as much as it has refused, on trial. Until then whoever comes may try, as long as the
    last commit was kept."""

    def __init__(self, changed: Callable[[str | None], None], trial_seconds: float) -> None:
        """`changed` is told why the store fails, and None once it works again. Two trials are at least so many seconds
        apart."""
        self._changed = changed
        self._trial_seconds = trial_seconds
        self.failure: str | None = None
        """Why it was refused what it was refused last; None while it works."""
        self.is_shut = False
        """The last commit was refused: nobody need try."""
        self._bytes = 0
        """The most that was refused since it has failed."""
        self._next_trial = -math.inf

    @property
    def trial_at(self) -> float:
        """When to try it, in trio's time; never while it works, nor while it is shut."""
        return math.inf if self.failure is None or self.is_shut else self._next_trial

    @property
    def trial(self) -> tuple[Record, Record]:
        """What is to be kept, one after the other; nothing is left of it."""
        size = min(max(self._bytes, _LEAST_BYTES), _MOST_BYTES)
        return Record(_TRIAL, "", bytes(size)), Record(_TRIAL, "", None)

    def note_refused(self, write: Write, failure: str) -> None:
        self.is_shut = True
        self._bytes = max(self._bytes, _size(write))
        was, self.failure = self.failure, failure
        if was != failure:
            self._changed(failure)

    def note_kept(self) -> None:
        self.is_shut = False

    def note_failed_trial(self, now: float) -> None:
        self._next_trial = now + self._trial_seconds

    def note_passed_trial(self) -> None:
        self.failure, self._bytes, self._next_trial = None, 0, -math.inf
        self._changed(None)


def _size(write: Write) -> int:
    records = sum(len(record.body) for record in write.records if record.body is not None)
    return records + sum(len(event.body) for event in write.events)
