"""Reads what SQLite holds of logs and records: pages of events, all topics, what is too much. Every call blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from sys import intern

from actors.event import ChannelKey, Event, Merge
from actors.retention import EVENT_OVERHEAD, Retention
from actors.store import Excess, StoredTopic
from engine.event_slot import event_slots
from engine.kept_ends import first_kept, last_kept
from engine.sqlite_excess import find_excess
from engine.topic_records import records_of

_FIND_TOPIC = "SELECT id, epoch, floor FROM topic WHERE channel = ? AND topic = ? AND owner = ?"
_FIND_RECORD = "SELECT body FROM record WHERE kind = ? AND id = ?"
_PAGE = """
SELECT offset, type, body, merge, merge_key, timestamp, slot
FROM event WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT ?
"""
_TOPICS = f"""
SELECT channel, topic, owner, epoch, floor, holes,
    {first_kept("offset")}, {last_kept("offset")}, {last_kept("type")}
FROM topic ORDER BY id
"""  # noqa: S608  # constants


def named(key: ChannelKey) -> tuple[str, str, str]:
    """A topic's name as the table `topic` has it."""
    return key.channel, key.topic, key.owner


def find_topic(db: sqlite3.Connection, key: ChannelKey) -> tuple[int, str, int] | None:
    """A topic's id, epoch and floor."""
    found: tuple[int, str, int] | None = db.execute(_FIND_TOPIC, named(key)).fetchone()
    return found


def find_record(db: sqlite3.Connection, kind: str, name: str) -> bytes | None:
    found = db.execute(_FIND_RECORD, (kind, name)).fetchone()
    return None if found is None else found[0]


def events_after(
    db: sqlite3.Connection, key: ChannelKey, topic: int, epoch: str, after: int, most: int
) -> Iterator[Event]:
    """The topic's kept events after an offset, in order. `topic` and `epoch`: as `find_topic` has them."""
    for offset, event_type, body, merge, merge_key, timestamp, _ in db.execute(
        _PAGE, (*event_slots(topic, after), most)
    ):
        yield Event(key, epoch, offset, offset, event_type, body, Merge(merge), merge_key, timestamp)


class SqliteReader:
    """Over a connection for one thread at a time. Every method raises sqlite3.Error."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """As actors.store.Store.read."""
        found = find_topic(self._db, key)
        if found is None:
            return []
        topic, epoch, floor = found
        events: list[Event] = []
        size = 0
        for event in events_after(self._db, key, topic, epoch, max(after, floor), max_events):
            size += len(event.body) + EVENT_OVERHEAD
            if size > max_bytes and events:
                break
            events.append(event)
        return events

    def holdings(self, channel: str, name: str) -> tuple[list[ChannelKey], list[tuple[str, str]]]:
        """The topics of that name, whoever owns them, and kind and id of what is recorded of it."""
        found = self._db.execute("SELECT owner FROM topic WHERE channel = ? AND topic = ?", (channel, name))
        keys = [ChannelKey(channel, name, owner) for (owner,) in found]
        return keys, [(kind, record_id) for kind, record_id, _ in records_of(self._db, channel, name)]

    def excess(self, bounds: Mapping[str, Retention], now: int, after: int) -> Excess:
        """As actors.store.RetainedStore.excess."""
        return find_excess(self._db, bounds, now, after)

    def topics(self) -> list[StoredTopic]:
        return [_stored(*row) for row in self._db.execute(_TOPICS).fetchall()]

    def records(self, kind: str) -> list[tuple[str, bytes]]:
        return self._db.execute("SELECT id, body FROM record WHERE kind = ? ORDER BY id", (kind,)).fetchall()

    def record(self, kind: str, name: str) -> bytes | None:
        return find_record(self._db, kind, name)


def _stored(
    channel: str,
    topic: str,
    owner: str,
    epoch: str,
    floor: int,
    holes: int,
    first: int | None,
    last: int | None,
    last_type: str | None,
) -> StoredTopic:
    tail = max(floor, last or 0)
    # What is missing before the first event that is left is a hole, where there are such.
    begin = floor + 1 if holes > floor else first or tail + 1
    # Names that very many topics share are held once.
    key = ChannelKey(intern(channel), topic, intern(owner))
    return StoredTopic(key, epoch, begin, tail, intern(last_type or ""), holes)
