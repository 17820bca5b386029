"""What of the topics in SQLite is beyond their bounds. Bodies are not read for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from actors.event import ChannelKey
from actors.retention import EVENT_OVERHEAD, Retention
from actors.store import Excess, Overfull
from engine.event_slot import event_slots

TOPICS = 64
"""Looked at in one piece."""
AGED = 4_096
"""Events of one topic of which one piece finds that they are too old."""
_NEXT_TOPICS = "SELECT id, channel, topic, owner, epoch, floor FROM topic WHERE id > ? ORDER BY id LIMIT ?"
_TAIL = f"""
SELECT offset, start + length(body) + {EVENT_OVERHEAD}, slot FROM event
WHERE slot > ? AND slot <= ? ORDER BY slot DESC LIMIT 1
"""  # noqa: S608  # a constant
_NEXT_START = "SELECT offset, start, slot FROM event WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT 1"
_NEXT_TIMES = "SELECT offset, timestamp, slot FROM event WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT ?"


def find_excess(db: sqlite3.Connection, bounds: Mapping[str, Retention], now: int, after: int) -> Excess:
    """As actors.store.RetainedStore.excess. Raises sqlite3.Error."""
    rows = db.execute(_NEXT_TOPICS, (after, TOPICS)).fetchall()
    found: list[Overfull] = []
    for topic, channel, name, owner, epoch, floor in rows:
        offset = _due_floor(db, topic, floor, bounds.get(channel, Retention()), now)
        if offset > floor:
            found.append(Overfull(ChannelKey(channel, name, owner), epoch, offset))
    return Excess(tuple(found), rows[-1][0] if len(rows) == TOPICS else None)


def _due_floor(db: sqlite3.Connection, topic: int, floor: int, bound: Retention, now: int) -> int:
    newest = db.execute(_TAIL, event_slots(topic, floor)).fetchone()
    if newest is None:
        return floor
    tail, end, _ = newest
    floor = max(floor, tail - bound.events)
    floor = _floor_by_size(db, topic, floor, tail, end - bound.bytes)
    return _floor_by_age(db, topic, floor, int(now - bound.seconds * 1000))


def _floor_by_size(db: sqlite3.Connection, topic: int, floor: int, tail: int, start: int) -> int:
    """The lowest floor above which no event begins before `start`. Starts rise with the offsets."""
    low, high, middle = floor, tail, floor
    while low < high:
        oldest = db.execute(_NEXT_START, event_slots(topic, middle)).fetchone()
        if oldest is None or oldest[1] >= start:
            high = middle
        else:
            low = oldest[0]
        middle = (low + high) // 2
    return low


def _floor_by_age(db: sqlite3.Connection, topic: int, floor: int, horizon: int) -> int:
    for offset, timestamp, _ in db.execute(_NEXT_TIMES, (*event_slots(topic, floor), AGED)):
        if timestamp >= horizon:
            break
        floor = offset
    return floor
