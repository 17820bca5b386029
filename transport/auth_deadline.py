"""How long a client that has come in has to say who it is."""

from __future__ import annotations

import trio

from transport.berth import Berth


class AuthDeadline:
    """Begins as it is made. A client that is parked on its berth then is attended to once it has passed."""

    __slots__ = ("_berth", "_seconds", "at")

    def __init__(self, seconds: float, berth: Berth | None) -> None:
        now = trio.current_time()
        self._seconds = seconds
        self._berth = berth
        self.at = now + seconds
        """In `trio.current_time()`."""
        if berth is not None:
            berth.call_after(seconds, now)

    @property
    def has_passed(self) -> bool:
        return self.at <= trio.current_time()

    def call_off(self) -> None:
        """The client has said it, or is gone."""
        if self._berth is not None:
            self._berth.call_off(self._seconds)
