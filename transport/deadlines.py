"""Moments at which somebody is to be looked at: many at once, of few different delays."""

from __future__ import annotations

import math
from itertools import takewhile
from typing import Generic, TypeVar

_T = TypeVar("_T")


class Deadlines(Generic[_T]):
    """Those who ask for the same delay come due in the order in which they asked, so that each delay has a queue. Who
    needs it no more leaves nothing behind, where a heap would keep it until its time has come."""

    def __init__(self) -> None:
        self._queues: dict[float, dict[_T, float]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, who: _T, delay: float, now: float) -> float:
        """Returns the moment: so many seconds from now. What was asked for before with the same delay is forgotten."""
        queue = self._queues.get(delay)
        if queue is None:
            queue = self._queues[delay] = {}
        queue.pop(who, None)
        at = queue[who] = now + delay
        return at

    def remove(self, who: _T, delay: float) -> None:
        """Idempotent."""
        if (queue := self._queues.get(delay)) is not None:
            queue.pop(who, None)

    @property
    def first(self) -> float:
        """The next moment; infinity where there is none."""
        return min((next(iter(queue.values())) for queue in self._queues.values() if queue), default=math.inf)

    def take_due(self, now: float) -> list[_T]:
        """Those whose moment has come, and who are waited for no longer."""
        due: list[_T] = []
        for delay, queue in tuple(self._queues.items()):
            ripe = [who for who, _ in takewhile(lambda entry: entry[1] <= now, queue.items())]
            for who in ripe:
                del queue[who]
            if not queue:
                del self._queues[delay]
            due += ripe
        return due
