"""Who is there to hear a topic, and where the last of them left it."""

from __future__ import annotations

from collections.abc import Callable

from actors.commands import Start
from actors.position import Position


class Attendance:
    """All who are there hear the same: what one of them was sent is known to all.

    So one cursor serves those who are away, and whoever comes first again goes on there. A topic that nobody has heard
    yet begins with the oldest event that it keeps.
    """

    def __init__(self, heard: Callable[[Position], None] = lambda position: None) -> None:
        """`heard` is told how far the topic was heard, whenever somebody leaves who has heard more than all before."""
        self._tell = heard
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
        if self.hear(heard):
            self._tell(heard)

    def hear(self, heard: Position) -> bool:
        """Somebody was sent all up to there. Whether that is more than is known."""
        known = self._heard
        # One who lagged may leave after another who did not.
        if known is not None and known.epoch == heard.epoch and known.offset >= heard.offset:
            return False
        self._heard = heard
        return True
