"""When a failed request is tried again."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from random import Random

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """At most `attempts` in all. Times are seconds.

    The wait after the n-th attempt is drawn from the upper half of `first * factor ** (n - 1)`, at most `most`. A
    Retry-After is waited for in full if it is at most `patience`; a longer one ends the trying.
    """

    attempts: int = 3
    first: float = 0.5
    factor: float = 2.0
    most: float = 8.0
    patience: float = 30.0

    def wait(self, attempt: int, retry_after: float | None, random: Random) -> float | None:
        """The wait after `attempt`, which counts from 1; None to give up."""
        if attempt >= self.attempts:
            return None
        step = min(self.most, self.first * self.factor ** (attempt - 1))
        wait = random.uniform(step / 2, step)
        if retry_after is None:
            return wait
        return None if retry_after > self.patience else max(wait, retry_after)


def retry_after_seconds(header: str | None, now: float) -> float | None:
    """The seconds that a Retry-After header asks for, written as a number or as a date. `now` is Unix seconds."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
