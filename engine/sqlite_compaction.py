"""What compaction takes out of a topic in SQLite, and the sizes of what is left."""

from __future__ import annotations

import sqlite3

from actors.event import Merge
from actors.log import EVENT_OVERHEAD
from engine.event_slot import event_slots

_SIZES = "SELECT slot, start, length(body) FROM settled WHERE slot > ? AND slot <= ? ORDER BY slot"


def compact(db: sqlite3.Connection, topic: int, offset: int) -> int:
    """Leaves of the events up to there the discrete ones. Returns the size of all events that are left: what has gone
    is not charged to the topic any more. Within the caller's transaction; all of the
    topic's events are settled. Raises sqlite3.Error."""
    passing = (*event_slots(topic, upto=offset), Merge.NEVER.value)
    db.execute("DELETE FROM settled WHERE slot > ? AND slot <= ? AND merge != ?", passing)
    db.execute("UPDATE topic SET holes = max(holes, ?) WHERE id = ?", (offset, topic))
    return measure(db, topic)


def measure(db: sqlite3.Connection, topic: int) -> int:
    """Has each event of a topic begin where the one before it ends, once some have gone or shrunk. Returns the size of
    all. Within the caller's transaction. Raises sqlite3.Error."""
    size = 0
    moved: list[tuple[int, int]] = []
    for slot, start, length in db.execute(_SIZES, event_slots(topic)):
        if start != size:
            moved.append((size, slot))
        size += length + EVENT_OVERHEAD
    db.executemany("UPDATE settled SET start = ? WHERE slot = ?", moved)
    return size
