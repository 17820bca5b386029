"""How long a commit waits for others to share it, as PostgreSQL's `commit_delay` does. Plain: no I/O."""

from __future__ import annotations

from collections.abc import Collection

from actors.journal_entries import Entry

_CROWD = 16
"""So many topics have to say something within the delay for a commit to be worth waiting for. One producer alone never
waits, nor does a task that begins, with all that is told of it elsewhere."""
_FULL = 128
"""Entries that share the price of a commit well enough: it does not wait for more."""


class CommitDelay:
    """Where many topics are at work, and nobody waits for what they say."""

    def __init__(self, seconds: float) -> None:
        """The least time between the beginnings of two commits, where there is a delay."""
        self._seconds = seconds
        self._began = 0.0
        """The last commit, in trio's time."""
        self._recently = 0
        """What the topics of the commits come to that began since `_recent_since`."""
        self._recent_since = 0.0

    @property
    def ends_at(self) -> float:
        """Until when the next commit waits, in trio's time."""
        return self._began + self._seconds

    def is_over(self, waiting: Collection[Entry]) -> bool:
        """Whether a commit of what waits is to begin at once."""
        return self._recently < _CROWD or any(self.is_ended_by(entry, len(waiting)) for entry in waiting)

    def is_ended_by(self, entry: Entry, waiting: int) -> bool:
        """Whether the commit waits no longer once this one is among so many entries."""
        return entry.is_awaited or waiting >= _FULL

    def note_begun(self, now: float) -> None:
        """A commit begins, in trio's time."""
        self._began = now

    def note_kept(self, topics: int) -> None:
        """That commit was taken, with events of so many topics."""
        if self._began - self._recent_since >= self._seconds:
            self._recently, self._recent_since = 0, self._began
        self._recently += topics
