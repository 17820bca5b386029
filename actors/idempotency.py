"""Remembers for a while what a key was used for, so that the same request twice is one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class IdempotencyKeys(Generic[K, T]):
    """At most `limit` keys for `seconds` each; beyond the limit the oldest is forgotten. Time is handed in."""

    def __init__(self, seconds: float, limit: int) -> None:
        self._seconds = seconds
        self._limit = limit
        self._kept: OrderedDict[K, tuple[float, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: K, now: float) -> T | None:
        """What the key was used for, None where it is unknown or too old."""
        found = self._kept.get(key)
        if found is None or now - found[0] > self._seconds:
            return None
        return found[1]

    def forget(self, key: K) -> None:
        self._kept.pop(key, None)

    def put(self, key: K, value: T, now: float) -> list[K]:
        """Returns the keys that are forgotten over it."""
        forgotten: list[K] = []
        self._kept.pop(key, None)
        self._kept[key] = (now, value)
        while self._kept:
            oldest = next(iter(self._kept))
            if len(self._kept) <= self._limit and now - self._kept[oldest][0] <= self._seconds:
                break
            del self._kept[oldest]
            forgotten.append(oldest)
        return forgotten
