"""What SQLite still holds of topics and does not keep any more: noted in a step, deleted in pieces."""

from __future__ import annotations

import sqlite3

from engine.database import transaction
from engine.event_slot import event_slots
from engine.recent_events import EVENT_TABLES

PIECE_EVENTS = 256
PIECE_BYTES = 1 << 20
"""Deleted in one transaction, or a single event if that is larger."""
PIECE_PAGES = 64
"""Given back to the file system in one transaction."""
_SPARE_PAGES = 1_024
"""Free pages that are not given back: what is deleted makes room for what comes."""
_ALL = (1 << 63) - 1
_ADD_WASTE = "INSERT INTO waste VALUES (?, ?) ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)"
_OLDEST = "SELECT offset, start, slot FROM event WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT ?"


def raise_floor(db: sqlite3.Connection, topic: int, offset: int) -> None:
    """The topic's events up to there are not kept any more, however many they are."""
    db.execute("UPDATE topic SET floor = max(floor, ?) WHERE id = ?", (offset, topic))
    db.execute(_ADD_WASTE, (topic, offset))


def drop_topic(db: sqlite3.Connection, topic: int) -> None:
    """Nothing of the topic is kept any more, and its name is free."""
    db.execute("DELETE FROM topic WHERE id = ?", (topic,))
    db.execute(_ADD_WASTE, (topic, _ALL))


def purge(db: sqlite3.Connection) -> bool:
    """Deletes a piece of the waste in a transaction of its own; where there is none, shrinks the file by a piece.
    Returns whether there may be more to do. Raises sqlite3.Error."""
    waste = db.execute("SELECT topic, upto FROM waste LIMIT 1").fetchone()
    if waste is None:
        return _shrink(db)
    transaction(db, lambda db: _delete(db, *waste))
    return True


def _delete(db: sqlite3.Connection, topic: int, upto: int) -> None:
    rows = db.execute(_OLDEST, (*event_slots(topic, upto=upto), PIECE_EVENTS)).fetchall()
    last = upto
    for count, (offset, start, _) in enumerate(rows):
        if count and start - rows[0][1] >= PIECE_BYTES:
            break
        last = offset
    for table in EVENT_TABLES:
        db.execute(f"DELETE FROM {table} WHERE slot > ? AND slot <= ?", event_slots(topic, upto=last))  # noqa: S608  # a constant
    if not rows or (last == rows[-1][0] and len(rows) < PIECE_EVENTS):
        db.execute("DELETE FROM waste WHERE topic = ?", (topic,))


def _shrink(db: sqlite3.Connection) -> bool:
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    if free <= max(_SPARE_PAGES, pages // 4):
        return False
    # Each row that is fetched gives one page back.
    db.execute(f"PRAGMA incremental_vacuum({PIECE_PAGES})").fetchall()
    return True
