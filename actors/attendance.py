"""Who is there to hear a topic, and where the last of them left it."""

from __future__ import annotations

from actors.commands import Start
from actors.position import Position


class Attendance:
    """All who are there hear the same: what one of them was sent is known to all.

    So one cursor serves those who are away, and whoever comes first again goes on there. A topic that nobody has heard
    yet begins with the oldest event that it keeps.
    """

    def __init__(self) -> None:
        self._present = 0
        self._heard: Position | None = None

    @property
    def present(self) -> int:
        return self._present

    def arrive(self) -> Start:
        """Where one who comes now begins. Each arrival is followed by one `leave`."""
        self._present += 1
        if self._present > 1:
            return "live"
        return self._heard or "oldest"

    def leave(self, heard: Position) -> None:
        """`heard` is the last event that was sent to the one who leaves."""
        self._present -= 1
        known = self._heard
        # One who lagged may leave after another who did not.
        if known is None or known.epoch != heard.epoch or known.offset < heard.offset:
            self._heard = heard
