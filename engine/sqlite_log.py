"""Logs and records in SQLite: what is written in one transaction, and read in pages. Every method blocks."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from actors.event import ChannelKey, Event, Merge
from actors.log import EVENT_OVERHEAD, new_epoch
from actors.snapshot_base import BASE, base_id, redact_base
from actors.store import Compaction, Floor, Rewrite, StoredTopic, StoreError, Write
from engine.database import open_database, transaction
from engine.store_mark import Mark, MarkFile

_ADD_TOPIC = "INSERT INTO topic (channel, topic, owner, epoch) VALUES (?, ?, ?, ?)"
_FIND_TOPIC = "SELECT id, epoch FROM topic WHERE channel = ? AND topic = ? AND owner = ?"
_ADD_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)"
_CHANGE_EVENT = "UPDATE event SET type = ?, body = ?, merge = ?, merge_key = ? WHERE topic = ? AND offset = ?"
_PUT_RECORD = "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_FIND_RECORD = "SELECT body FROM record WHERE kind = ? AND id = ?"
_DROP_RECORD = "DELETE FROM record WHERE kind = ? AND id = ?"
_PAGE = """
SELECT offset, type, body, merge, merge_key, timestamp
FROM event WHERE topic = ? AND offset > ? ORDER BY offset LIMIT ?
"""
_TOPICS = """
SELECT channel, topic, owner, epoch, floor, holes,
    (SELECT max(offset) FROM event WHERE event.topic = topic.id),
    (SELECT type FROM event WHERE event.topic = topic.id ORDER BY offset DESC LIMIT 1)
FROM topic ORDER BY id
"""


_REWRITE_EVENTS = 512


class SqliteLog:
    """One connection that writes and one that reads, each for one thread at a time.

    Topics that are kept come back with the epochs that they had, if nothing can have been lost; else with new ones.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 5.0) -> None:
        """Raises engine.database.SchemaError, sqlite3.Error and OSError."""
        self._mark = MarkFile(path.with_name(path.name + "-mark"))
        self._db = open_database(path, wait_seconds=wait_seconds)
        self._reader = open_database(path, wait_seconds=wait_seconds)
        self._ids: dict[ChannelKey, int] = {}
        self._database, inode, self._commits = self._db.execute("SELECT database, inode, commits FROM life").fetchone()
        file = path.stat().st_ino
        self.is_whole = self._is_whole(file, inode)
        """Whether the database is the one that was left, with all that was acknowledged."""
        self._settle(file)

    def close(self) -> None:
        self._mark.close()
        self._reader.close()
        self._db.close()

    def limit_pages(self, pages: int) -> None:
        """The file grows no further than that, or than it is: commits that need more are refused."""
        self._db.execute(f"PRAGMA max_page_count = {int(pages)}")

    def commit(self, write: Write) -> None:
        """Raises StoreError; nothing of it is kept then."""
        fresh: dict[ChannelKey, int] = {}
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._write(write, fresh)
            self._db.execute("UPDATE life SET commits = commits + 1")
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise StoreError(str(error)) from error
        self._commits += 1
        self._mark.write(Mark(self._database, self._commits))
        self._ids |= fresh
        for key in write.dropped:
            self._ids.pop(key, None)

    def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """As actors.store.Store.read."""
        try:
            found = self._reader.execute(_FIND_TOPIC, _named(key)).fetchone()
            if found is None:
                return []
            topic, epoch = found
            return self._page(key, topic, epoch, after, max_events=max_events, max_bytes=max_bytes)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def topics(self) -> list[StoredTopic]:
        try:
            rows = self._reader.execute(_TOPICS).fetchall()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error
        return [_stored(*row) for row in rows]

    def records(self, kind: str) -> list[tuple[str, bytes]]:
        try:
            return self._reader.execute("SELECT id, body FROM record WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def record(self, kind: str, name: str) -> bytes | None:
        try:
            found = self._reader.execute(_FIND_RECORD, (kind, name)).fetchone()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error
        return None if found is None else found[0]

    def _is_whole(self, file: int, known_file: int) -> bool:
        mark = self._mark.read()
        if mark is None and known_file == 0:
            return True  # used for the first time
        was_left_so = mark is not None and mark.database == self._database and mark.commits <= self._commits
        return was_left_so and file == known_file

    def _settle(self, file: int) -> None:
        """From now on this is the database. Where something may be lost, no old position is taken for a new one."""

        def settle(db: sqlite3.Connection) -> None:
            db.execute("UPDATE life SET inode = ?", (file,))
            if not self.is_whole:
                topics = db.execute("SELECT id FROM topic").fetchall()
                db.executemany("UPDATE topic SET epoch = ? WHERE id = ?", [(new_epoch(), *topic) for topic in topics])

        transaction(self._db, settle)
        self._mark.write(Mark(self._database, self._commits))

    def _write(self, write: Write, fresh: dict[ChannelKey, int]) -> None:
        db = self._db
        for opened in write.opened:
            self._topic_id(opened.key, opened.epoch, fresh)
        if write.events:
            db.executemany(_ADD_EVENT, [self._row(event, fresh) for event in write.events])
        for record in write.records:
            if record.body is None:
                db.execute(_DROP_RECORD, (record.kind, record.id))
            else:
                db.execute(_PUT_RECORD, (record.kind, record.id, record.body))
        for rewrite in write.rewrites:
            self._rewrite(rewrite, fresh)
        for floor in write.floors:
            self._raise_floor(floor, fresh)
        for compaction in write.compactions:
            self._compact(compaction, fresh)
        for key in write.dropped:
            db.execute("DELETE FROM topic WHERE channel = ? AND topic = ? AND owner = ?", _named(key))

    def _row(self, event: Event, fresh: dict[ChannelKey, int]) -> tuple[int, int, str, bytes, int, str, int]:
        topic = self._topic_id(event.key, event.epoch, fresh)
        merge = event.merge.value
        return topic, event.offset, event.event_type, event.body, merge, event.merge_key, event.timestamp

    def _topic_id(self, key: ChannelKey, epoch: str, fresh: dict[ChannelKey, int]) -> int:
        known = self._find_topic(key, fresh)
        if known is None:
            known = fresh[key] = self._db.execute(_ADD_TOPIC, (*_named(key), epoch)).lastrowid or 0
        return known

    def _find_topic(self, key: ChannelKey, fresh: dict[ChannelKey, int]) -> int | None:
        known = self._ids.get(key) or fresh.get(key)
        if known is None and (found := self._db.execute(_FIND_TOPIC, _named(key)).fetchone()) is not None:
            known = fresh[key] = found[0]
        return known

    def _rewrite(self, rewrite: Rewrite, fresh: dict[ChannelKey, int]) -> None:
        topic = self._find_topic(rewrite.key, fresh)
        after = 0
        while topic is not None and (rows := self._db.execute(_PAGE, (topic, after, _REWRITE_EVENTS)).fetchall()):
            for event in (_event(rewrite.key, "", row) for row in rows):
                left = rewrite.redaction.apply(event)
                if left is not event:
                    changed = (left.event_type, left.body, left.merge.value, left.merge_key)
                    self._db.execute(_CHANGE_EVENT, (*changed, topic, event.offset))
                after = event.offset
        base = self._db.execute(_FIND_RECORD, (BASE, base_id(rewrite.key))).fetchone()
        if base is not None:
            body = redact_base(rewrite.key, base[0], rewrite.redaction)
            self._db.execute(_PUT_RECORD, (BASE, base_id(rewrite.key), body))

    def _raise_floor(self, floor: Floor, fresh: dict[ChannelKey, int]) -> None:
        topic = self._find_topic(floor.key, fresh)
        if topic is not None:
            self._db.execute("DELETE FROM event WHERE topic = ? AND offset <= ?", (topic, floor.offset))
            self._db.execute("UPDATE topic SET floor = max(floor, ?) WHERE id = ?", (floor.offset, topic))

    def _compact(self, compaction: Compaction, fresh: dict[ChannelKey, int]) -> None:
        topic = self._find_topic(compaction.key, fresh)
        if topic is not None:
            passing = (topic, compaction.offset, Merge.NEVER.value)
            self._db.execute("DELETE FROM event WHERE topic = ? AND offset <= ? AND merge != ?", passing)
            self._db.execute("UPDATE topic SET holes = max(holes, ?) WHERE id = ?", (compaction.offset, topic))

    def _page(
        self, key: ChannelKey, topic: int, epoch: str, after: int, *, max_events: int, max_bytes: int
    ) -> list[Event]:
        events: list[Event] = []
        size = 0
        for row in self._reader.execute(_PAGE, (topic, after, max_events)):
            event = _event(key, epoch, row)
            size += len(event.body) + EVENT_OVERHEAD
            if size > max_bytes and events:
                break
            events.append(event)
        return events

    def _roll_back(self) -> None:
        # SQLite has done it already where the disk was full. What fails here has failed in the commit as well.
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")


def _named(key: ChannelKey) -> tuple[str, str, str]:
    return key.channel, key.topic, key.owner


def _event(key: ChannelKey, epoch: str, row: tuple[int, str, bytes, int, str, int]) -> Event:
    offset, event_type, body, merge, merge_key, timestamp = row
    return Event(key, epoch, offset, offset, event_type, body, Merge(merge), merge_key, timestamp)


def _stored(
    channel: str,
    topic: str,
    owner: str,
    epoch: str,
    floor: int,
    holes: int,
    last: int | None,
    last_type: str | None,
) -> StoredTopic:
    tail = max(floor, last or 0)
    return StoredTopic(ChannelKey(channel, topic, owner), epoch, floor + 1, tail, last_type or "", holes)
