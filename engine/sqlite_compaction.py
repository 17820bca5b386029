"""What compaction takes out of a topic in SQLite, and the sizes of what is left."""

from __future__ import annotations

import sqlite3

from actors.event import Merge
from actors.retention import EVENT_OVERHEAD
from engine.event_slot import event_slots
from engine.recent_events import EVENT_TABLES

_SIZES = "SELECT slot, start, length(body) FROM event WHERE slot > ? AND slot <= ? ORDER BY slot"


def compact(db: sqlite3.Connection, topic: int, offset: int) -> int:
    """Leaves of the events up to there the discrete ones. Returns the size of all events that are left: what has gone
    is not charged to the topic any more. Within the caller's transaction. Raises sqlite3.Error."""
    passing = (*event_slots(topic, upto=offset), Merge.NEVER.value)
    for table in EVENT_TABLES:
        db.execute(f"DELETE FROM {table} WHERE slot > ? AND slot <= ? AND merge != ?", passing)  # noqa: S608  # a constant
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
    for table in EVENT_TABLES:
        db.executemany(f"UPDATE {table} SET start = ? WHERE slot = ?", moved)  # noqa: S608  # a constant
    return size
