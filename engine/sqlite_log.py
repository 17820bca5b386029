"""Logs and records in SQLite: what is written in one transaction, and read in pages. Every method blocks."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from actors.event import ChannelKey, Event, Merge
from actors.log import EVENT_OVERHEAD, new_epoch
from actors.store import Floor, Rewrite, StoredTopic, StoreError, Write
from engine.database import open_database, transaction
from engine.database_file import DatabaseFile
from engine.store_mark import Mark, MarkFile

_ADD_TOPIC = "INSERT INTO topic (channel, topic, owner, epoch) VALUES (?, ?, ?, ?)"
_FIND_TOPIC = "SELECT id, epoch FROM topic WHERE channel = ? AND topic = ? AND owner = ?"
_ADD_EVENT = "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)"
_CHANGE_EVENT = "UPDATE event SET type = ?, body = ?, merge = ?, merge_key = ? WHERE topic = ? AND offset = ?"
_PUT_RECORD = "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_DROP_RECORD = "DELETE FROM record WHERE kind = ? AND id = ?"
_PAGE = """
SELECT offset, type, body, merge, merge_key, timestamp
FROM event WHERE topic = ? AND offset > ? ORDER BY offset LIMIT ?
"""
_TOPICS = """
SELECT channel, topic, owner, epoch, floor,
    (SELECT min(offset) FROM event WHERE event.topic = topic.id),
    (SELECT max(offset) FROM event WHERE event.topic = topic.id),
    (SELECT type FROM event WHERE event.topic = topic.id ORDER BY offset DESC LIMIT 1)
FROM topic ORDER BY id
"""
_REWRITE_EVENTS = 512
_PRIMARY = 0xFF
"""Of SQLite's result codes, the part that is not detail."""


class SqliteLog:
    """One connection that writes and one that reads, each for one thread at a time.

    Topics that are kept come back with the epochs that they had, if nothing can have been lost; else with new ones.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 5.0) -> None:
        """Raises engine.database.SchemaError, sqlite3.Error and OSError."""
        self._path = path
        self._ids: dict[ChannelKey, int] = {}
        self._mark_is_late = False
        self._damaged = False
        """SQLite has said so. Nothing is added before all of the file has been looked through and found sound."""
        with ExitStack() as opened:
            self._mark = opened.enter_context(closing(MarkFile(path.with_name(path.name + "-mark"))))
            self._file = opened.enter_context(closing(DatabaseFile(path)))
            self._db = opened.enter_context(closing(open_database(path, wait_seconds=wait_seconds)))
            self._reader = opened.enter_context(closing(open_database(path, wait_seconds=wait_seconds)))
            life = self._db.execute("SELECT database, inode, commits FROM life").fetchone()
            self._database, known_file, self._commits = life
            self.is_whole = self._is_whole(known_file)
            """Whether the database is the one that was left, with all that was acknowledged."""
            self._settle()
            self._file.know_log()
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Idempotent."""
        self._opened.close()

    def limit_pages(self, pages: int) -> None:
        """The file grows no further than that, or than it is: commits that need more are refused."""
        self._db.execute(f"PRAGMA max_page_count = {int(pages)}")

    def limit_bytes(self, most: int) -> None:
        """As `limit_pages`. The write-ahead log is beside that."""
        (page,) = self._db.execute("PRAGMA page_size").fetchone()
        self.limit_pages(max(1, most // page))

    def commit(self, write: Write) -> None:
        """Raises StoreError; nothing of it is kept then."""
        fresh: dict[ChannelKey, int] = {}
        try:
            self._check()
            self._db.execute("BEGIN IMMEDIATE")
            self._write(write, fresh)
            self._db.execute("UPDATE life SET commits = commits + 1")
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._roll_back()
            self._damaged |= _is_damage(error)
            raise StoreError(str(error)) from error
        self._commits += 1
        self._write_mark()
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

    def _check(self) -> None:
        """Raises sqlite3.Error and OSError where what is added now would not be found again."""
        self._file.check()
        if self._mark_is_late:
            self._mark.write(Mark(self._database, self._commits))
            self._mark_is_late = False
        if self._damaged:
            # A connection of its own: it sees the file, and not what the others hold of it in memory.
            with closing(sqlite3.connect(self._path)) as db:
                (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(f"the database is damaged: {found}")
            self._damaged = False

    def _write_mark(self) -> None:
        # The commit has taken place: to refuse it now would be a lie. The next one waits until the mark can be written.
        try:
            self._mark.write(Mark(self._database, self._commits))
        except OSError:
            self._mark_is_late = True

    def _is_whole(self, known_file: int) -> bool:
        mark = self._mark.read()
        if mark is None and known_file == 0:
            return True  # used for the first time
        was_left_so = mark is not None and mark.database == self._database and mark.commits <= self._commits
        return was_left_so and self._file.inode == known_file

    def _settle(self) -> None:
        """From now on this is the database. Where something may be lost, no old position is taken for a new one."""

        def settle(db: sqlite3.Connection) -> None:
            db.execute("UPDATE life SET inode = ?", (self._file.inode,))
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

    def _raise_floor(self, floor: Floor, fresh: dict[ChannelKey, int]) -> None:
        topic = self._find_topic(floor.key, fresh)
        if topic is not None:
            self._db.execute("DELETE FROM event WHERE topic = ? AND offset <= ?", (topic, floor.offset))
            self._db.execute("UPDATE topic SET floor = max(floor, ?) WHERE id = ?", (floor.offset, topic))

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


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


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
    first: int | None,
    last: int | None,
    last_type: str | None,
) -> StoredTopic:
    tail = max(floor, last or 0)
    return StoredTopic(ChannelKey(channel, topic, owner), epoch, first or tail + 1, tail, last_type or "")
