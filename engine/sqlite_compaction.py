"""What compaction takes out of a topic in SQLite, and the sizes of what is left."""

from __future__ import annotations

import sqlite3

from actors.event import Merge
from actors.log import EVENT_OVERHEAD

_SIZES = "SELECT offset, start, length(body) FROM event WHERE topic = ? ORDER BY offset"


def compact(db: sqlite3.Connection, topic: int, offset: int) -> int:
    """Leaves of the events up to there the discrete ones. Returns the size of all events that are left: what has gone
    is not charged to the topic any more. Within the caller's transaction. Raises sqlite3.Error."""
    passing = (topic, offset, Merge.NEVER.value)
    db.execute("DELETE FROM event WHERE topic = ? AND offset <= ? AND merge != ?", passing)
    db.execute("UPDATE topic SET holes = max(holes, ?) WHERE id = ?", (offset, topic))
    return measure(db, topic)


def measure(db: sqlite3.Connection, topic: int) -> int:
    """Has each event of a topic begin where the one before it ends, once some have gone or shrunk. Returns the size of
    all. Within the caller's transaction. Raises sqlite3.Error."""
    size = 0
    moved: list[tuple[int, int, int]] = []
    for offset, start, length in db.execute(_SIZES, (topic,)):
        if start != size:
            moved.append((size, topic, offset))
        size += length + EVENT_OVERHEAD
    db.executemany("UPDATE event SET start = ? WHERE topic = ? AND offset = ?", moved)
    return size
