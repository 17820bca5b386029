"""How long to wait before the next attempt to connect."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Exponential, with full jitter: anything from 0 to a ceiling that doubles with each attempt, in seconds."""

    def __init__(
        self, first: float = 0.5, ceiling: float = 30.0, *, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._first = first
        self._ceiling = ceiling
        self._uniform = uniform
        self._attempts = 0

    def next_seconds(self) -> float:
        limit = min(self._ceiling, self._first * 2.0**self._attempts)
        self._attempts = min(self._attempts + 1, 60)
        return self._uniform(0.0, limit)

    def reset(self) -> None:
        self._attempts = 0
