"""Places in the history of all topics together: what one who follows a whole channel has seen, in one position."""

from __future__ import annotations

import secrets

from actors.forgotten import Forgotten
from actors.log_totals import LogTotals
from actors.position import Position
from actors.resumption import Gap, Resumption


class Marks:
    """A mark is a position whose offset is the number of events that all logs had taken in. Every event has its own
    number in this order, so a mark tells where each topic stood then, also those that opened only later. What was kept
    before the engine started comes first."""

    def __init__(self, totals: LogTotals, forgotten: int) -> None:
        """`forgotten`: of so many forgotten topics it is known where they ended."""
        self.forgotten = Forgotten(forgotten)
        self._totals = totals
        self._epoch = secrets.token_hex(5)

    @property
    def now(self) -> Position:
        return Position(self._epoch, self._totals.appended)

    def resume(self, since: Position) -> Resumption:
        """Where one goes on who has seen all up to a mark. The gap is of topics that are not known any more."""
        now = self._totals.appended
        if since.epoch != self._epoch:
            # Nothing is known of that life. Of this one it has seen nothing.
            begin = self._totals.taken_up
            return Resumption(begin, Gap(self._epoch, 1, begin, "epoch"))
        if since.offset > now:
            return Resumption(now, Gap(self._epoch, now + 1, since.offset, "future"))
        unknown = self.forgotten.unknown
        lost = Gap(self._epoch, since.offset + 1, unknown, "retention") if unknown > since.offset else None
        return Resumption(since.offset, lost)
