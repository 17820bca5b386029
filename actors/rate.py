"""A token bucket: how fast one client may ask."""

from __future__ import annotations


class TokenBucket:
    """`per_second` requests on average, `burst` at once. Time is handed in, in seconds."""

    __slots__ = ("_at", "_burst", "_per_second", "_tokens")

    def __init__(self, per_second: float, burst: float, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._tokens = burst
        self._at = now

    def take(self, now: float) -> float:
        """Takes one request: 0 where it is allowed, else the seconds until one would be."""
        self._refill(now)
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._per_second

    def spend(self, now: float) -> float:
        """Takes one even where none is left: the seconds until that is made up for, 0 where there was one."""
        self._refill(now)
        self._tokens -= 1
        return max(0.0, -self._tokens / self._per_second)

    def _refill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
