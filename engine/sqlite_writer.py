"""What a write does to SQLite's tables, within a transaction that another begins and ends. Every call blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from actors.event import ChannelKey, Event, Merge
from actors.retention import EVENT_OVERHEAD
from actors.snapshot_base import BASE, base_id, redact_base
from actors.store import Rewrite, StoreError, Write, own_kind
from engine.event_slot import check_topic_id, event_slot, event_slots
from engine.recent_events import EVENT_TABLES, RecentEvents, Row
from engine.sqlite_compaction import compact, measure
from engine.sqlite_reader import events_after, find_record, find_topic, named
from engine.sqlite_waste import drop_topic, raise_floor

_ADD_TOPIC = "INSERT INTO topic (channel, topic, owner, epoch) VALUES (?, ?, ?, ?)"
_FIND_END = f"""
SELECT start + length(body) + {EVENT_OVERHEAD}, offset, slot FROM event
WHERE slot > ? AND slot <= ? ORDER BY slot DESC LIMIT 1
"""  # noqa: S608  # a constant
_CHANGE_EVENT = [
    f"UPDATE {table} SET type = ?, body = ?, merge = ?, merge_key = ? WHERE slot = ?"  # noqa: S608  # a constant
    for table in EVENT_TABLES
]
_PUT_RECORD = "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_DROP_RECORD = "DELETE FROM record WHERE kind = ? AND id = ?"
_REWRITE_EVENTS = 512
_MERGES = {merge: merge.value for merge in Merge}
"""An enum's own `value` is looked up the slow way."""


class _Place(NamedTuple):
    """A topic's id, the size of all events that it has had, and the offset of the last one."""

    topic: int
    size: int = 0
    tail: int = 0


class SqliteWriter:
    """Knows where the topics that were written to end, so that an event is added without a look at those before it."""

    def __init__(self, db: sqlite3.Connection, recent: RecentEvents) -> None:
        """`recent`: where events are added."""
        self._db = db
        self._recent = recent
        self._places: dict[ChannelKey, _Place] = {}
        self._fresh: dict[ChannelKey, _Place | None] = {}
        """As the transaction under way leaves them; None for a topic that it drops."""

    def write(self, write: Write) -> None:
        """Raises StoreError and sqlite3.Error: then the transaction is to be rolled back."""
        db = self._db
        for opened in write.opened:
            self._place(opened.key, opened.epoch)
        for rewrite in write.rewrites:
            self._rewrite(rewrite)
        if write.events:
            self._add_events(write.events)
        for record in write.records:
            if record.body is None:
                db.execute(_DROP_RECORD, (record.kind, record.id))
            else:
                db.execute(_PUT_RECORD, (record.kind, record.id, record.body))
        for rewrite in write.rewrites:
            self._rewrite_base(rewrite)
        for floor in write.floors:
            if (place := self._find_place(floor.key)) is not None:
                raise_floor(db, place.topic, floor.offset)
        for compaction in write.compactions:
            if (place := self._find_place(compaction.key)) is not None:
                self._fresh[compaction.key] = place._replace(size=compact(db, place.topic, compaction.offset))
        for key in write.dropped:
            if (place := self._find_place(key)) is not None:
                drop_topic(db, place.topic)
            db.execute("DELETE FROM record WHERE kind = ?", (own_kind(key),))
            self._fresh[key] = None

    def committed(self) -> None:
        """The transaction has taken place."""
        for key, place in self._fresh.items():
            if place is None:
                self._places.pop(key, None)
            else:
                self._places[key] = place
        self._fresh = {}

    def rolled_back(self) -> None:
        """It has not."""
        self._fresh = {}

    def _add_events(self, events: Sequence[Event]) -> None:
        fresh = self._fresh
        rows: list[Row] = []
        for event in events:
            topic, start, tail = fresh.get(event.key) or self._place(event.key, event.epoch)
            slot = event_slot(topic, event.offset)
            if event.offset <= tail:
                raise StoreError(f"{event.key} is at {tail}, and not before {event.offset}")
            fresh[event.key] = _Place(topic, start + len(event.body) + EVENT_OVERHEAD, event.offset)
            merge = _MERGES[event.merge]
            rows.append((slot, event.timestamp, start, merge, event.merge_key, event.event_type, event.body))
        self._recent.add(rows)

    def _place(self, key: ChannelKey, epoch: str) -> _Place:
        place = self._find_place(key)
        if place is None:
            topic = self._db.execute(_ADD_TOPIC, (*named(key), epoch)).lastrowid or 0
            check_topic_id(topic)
            place = self._fresh[key] = _Place(topic)
        return place

    def _find_place(self, key: ChannelKey) -> _Place | None:
        if key in self._fresh:
            return self._fresh[key]
        place = self._places.get(key)
        if place is None and (found := find_topic(self._db, key)) is not None:
            topic, _, _ = found
            size, tail, _ = self._db.execute(_FIND_END, event_slots(topic)).fetchone() or (0, 0, 0)
            place = self._fresh[key] = _Place(topic, size, tail)
        return place

    def _rewrite(self, rewrite: Rewrite) -> None:
        place = self._find_place(rewrite.key)
        after = 0
        while place is not None and (events := self._next_events(rewrite.key, place.topic, after)):
            for event in events:
                left = rewrite.redaction.apply(event)
                if left is not event:
                    changed = (left.event_type, left.body, left.merge.value, left.merge_key)
                    for change in _CHANGE_EVENT:
                        self._db.execute(change, (*changed, event_slot(place.topic, event.offset)))
                after = event.offset
        if place is not None:
            self._fresh[rewrite.key] = place._replace(size=measure(self._db, place.topic))

    def _next_events(self, key: ChannelKey, topic: int, after: int) -> list[Event]:
        return list(events_after(self._db, key, topic, "", after, _REWRITE_EVENTS))

    def _rewrite_base(self, rewrite: Rewrite) -> None:
        base = find_record(self._db, BASE, base_id(rewrite.key))
        if base is not None:
            body = redact_base(rewrite.key, base, rewrite.redaction)
            self._db.execute(_PUT_RECORD, (BASE, base_id(rewrite.key), body))
