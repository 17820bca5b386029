"""What all logs come to."""

from __future__ import annotations


class LogTotals:
    """The sums over many logs, kept as they change: to add up a hundred thousand logs takes a fifth of a second.

    `appended` numbers the events of all these logs in the order in which they came: what was said after a moment has a
    higher number than there were events then.
    """

    __slots__ = ("appended", "bytes", "taken_up")

    def __init__(self) -> None:
        self.appended = 0
        """Events, those that are no longer retained too."""
        self.taken_up = 0
        """So many of the first of them were there before the engine started."""
        self.bytes = 0
