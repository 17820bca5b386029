"""Logs and records in SQLite: what is written in one transaction, and read in pages. Every method blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from sys import intern
from typing import NamedTuple, TypeAlias

from actors.event import ChannelKey, Event, Merge
from actors.log import EVENT_OVERHEAD, Retention, new_epoch
from actors.snapshot_base import BASE, base_id, redact_base
from actors.store import Excess, Rewrite, StoredTopic, StoreError, Write, own_kind
from engine.database import limit_bytes, open_database, roll_back, transaction
from engine.database_file import DatabaseFile
from engine.event_slot import check_topic_id, event_slot, event_slots
from engine.kept_ends import first_kept, last_kept
from engine.page_reads import Page, PageRequest
from engine.recent_events import EVENT_TABLES, RecentEvents, Row
from engine.sqlite_compaction import compact, measure
from engine.sqlite_excess import find_excess
from engine.sqlite_waste import drop_topic, purge, raise_floor
from engine.store_mark import Mark, MarkFile
from engine.topic_records import records_of

_ADD_TOPIC = "INSERT INTO topic (channel, topic, owner, epoch) VALUES (?, ?, ?, ?)"
_FIND_TOPIC = "SELECT id, epoch, floor FROM topic WHERE channel = ? AND topic = ? AND owner = ?"
_FIND_END = f"""
SELECT start + length(body) + {EVENT_OVERHEAD}, offset, slot FROM event
WHERE slot > ? AND slot <= ? ORDER BY slot DESC LIMIT 1
"""  # noqa: S608  # a constant
_CHANGE_EVENT = [
    f"UPDATE {table} SET type = ?, body = ?, merge = ?, merge_key = ? WHERE slot = ?"  # noqa: S608  # a constant
    for table in EVENT_TABLES
]
_PUT_RECORD = "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
_FIND_RECORD = "SELECT body FROM record WHERE kind = ? AND id = ?"
_DROP_RECORD = "DELETE FROM record WHERE kind = ? AND id = ?"
_PAGE = """
SELECT offset, type, body, merge, merge_key, timestamp, slot
FROM event WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT ?
"""
_TOPICS = f"""
SELECT channel, topic, owner, epoch, floor, holes,
    {first_kept("offset")}, {last_kept("offset")}, {last_kept("type")}
FROM topic ORDER BY id
"""  # noqa: S608  # constants
_REWRITE_EVENTS = 512
_MOVED_EVENTS = 64
"""In a transaction that does nothing else. Each may be of another topic and change another page, while commits wait."""
_MERGES = {merge: merge.value for merge in Merge}
"""An enum's own `value` is looked up the slow way."""
_PRIMARY = 0xFF
"""Of SQLite's result codes, the part that is not detail."""
_CACHE_KIB = 32 * 1024
"""Of the connection that writes: the pages at the ends of some thousand topics that are written to at a time. SQLite's
own 2 MiB hold those of five hundred, and each page that has left it is looked for and read for every event."""
_AUTOCHECKPOINT_PAGES = 16_384
"""64 MB: a commit puts the log into the file by itself only where nobody else has done it for that long."""
_LOG_BYTES = 16 << 20
"""What the write-ahead log keeps of the disk once a rush is over."""


class _Place(NamedTuple):
    """A topic's id, the size of all events that it has had, and the offset of the last one."""

    topic: int
    size: int = 0
    tail: int = 0


_Places: TypeAlias = dict[ChannelKey, _Place | None]
"""None for a topic that is dropped."""
_Kept: TypeAlias = tuple[int, str, bytes, int, str, int, int]
"""Offset, type, body, merge, merge key, timestamp and slot."""
Work: TypeAlias = Callable[[sqlite3.Connection], None]
"""Within a transaction that it neither begins nor ends."""


class SqliteLog:
    """A connection that writes, one that reads and one for checkpoints, each for one thread at a time.

    Topics that are kept come back with the epochs that they had, if nothing can have been lost; else with new ones.
    """

    def __init__(self, path: Path, *, wait_seconds: float = 2.0) -> None:
        """`wait_seconds` is how long a commit waits for another process's lock. Raises engine.database.SchemaError,
        sqlite3.Error and OSError."""
        # As SQLite does: its write-ahead log stands beside the file, and so must the mark that holds it.
        self._path = path = path.resolve()
        self._places: dict[ChannelKey, _Place] = {}
        self._mark_is_late = False
        self._damaged = False
        """SQLite has said so. Nothing is added before all of the file has been looked through and found sound."""
        with ExitStack() as opened:
            self._mark = opened.enter_context(closing(MarkFile(path.with_name(path.name + "-mark"))))
            self._file = opened.enter_context(closing(DatabaseFile(path)))
            self._db = opened.enter_context(closing(open_database(path, wait_seconds=wait_seconds)))
            self._reader = opened.enter_context(closing(open_database(path, wait_seconds=wait_seconds)))
            self._checkpointer = opened.enter_context(closing(open_database(path, wait_seconds=wait_seconds)))
            self._db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            self._db.execute(f"PRAGMA wal_autocheckpoint = {_AUTOCHECKPOINT_PAGES}")
            self._db.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
            life = self._db.execute("SELECT database, inode, commits FROM life").fetchone()
            self._database, known_file, self._commits = life
            self.is_whole = self._is_whole(known_file)
            """Whether the database is the one that was left, with all that was acknowledged."""
            self._settle()
            self._recent = RecentEvents(self._db)
            self._file.know_log()
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Idempotent."""
        self._opened.close()

    def limit_bytes(self, most: int) -> None:
        """As engine.database.limit_bytes. Commits that need more are refused."""
        limit_bytes(self._db, most)

    def commit(self, write: Write) -> None:
        """Raises StoreError; nothing of it is kept then."""
        self.commit_all((write,))

    def commit_all(self, writes: Iterable[Write | Work]) -> None:
        """Many as one, with what else is written beside them: what `writes` itself raises, too, leaves nothing of them
        kept. Raises StoreError."""
        fresh: _Places = {}
        try:
            self.check()
            self._recent.begin()
            self._db.execute("BEGIN IMMEDIATE")
            for write in writes:
                if isinstance(write, Write):
                    self._write(write, fresh)
                else:
                    write(self._db)
            self._db.execute("UPDATE life SET commits = commits + 1")
            self._db.execute("COMMIT")
        except (sqlite3.Error, OSError) as error:
            self._undo()
            self._damaged |= _is_damage(error)
            raise StoreError(str(error)) from error
        except BaseException:
            # Whatever the writes came from has failed: the write lock must not outlive it.
            self._undo()
            raise
        self._commits += 1
        self._write_mark()
        for key, place in fresh.items():
            if place is None:
                self._places.pop(key, None)
            else:
                self._places[key] = place

    def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """As actors.store.Store.read."""
        try:
            found = self._reader.execute(_FIND_TOPIC, _named(key)).fetchone()
            if found is None:
                return []
            topic, epoch, floor = found
            return self._page(key, topic, epoch, max(after, floor), max_events=max_events, max_bytes=max_bytes)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def read_all(self, requests: Sequence[PageRequest]) -> list[Page]:
        """As `read`, one after the other."""
        return [self._try_read(request) for request in requests]

    def _try_read(self, asked: PageRequest) -> Page:
        try:
            return self.read(asked.key, asked.after, max_events=asked.max_events, max_bytes=asked.max_bytes)
        except StoreError as error:
            return error

    def holdings(self, channel: str, name: str) -> tuple[list[ChannelKey], list[tuple[str, str]]]:
        """The topics of that name, whoever owns them, and kind and id of what is recorded of it. With the reader's
        connection. Raises sqlite3.Error."""
        found = self._reader.execute("SELECT owner FROM topic WHERE channel = ? AND topic = ?", (channel, name))
        keys = [ChannelKey(channel, name, owner) for (owner,) in found]
        return keys, [(kind, record_id) for kind, record_id, _ in records_of(self._reader, channel, name)]

    def excess(self, bounds: Mapping[str, Retention], now: int, after: int) -> Excess:
        """As actors.store.RetainedStore.excess. With the reader's connection."""
        try:
            return find_excess(self._reader, bounds, now, after)
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def purge(self) -> bool:
        """Deletes a piece of what is no longer kept, or gives a piece of free room back, or goes on with what commits
        have begun to move. Returns whether there may be more. With the writer's connection. Raises StoreError."""
        try:
            return purge(self._db) or self._move_recent()
        except sqlite3.Error as error:
            self._undo()
            raise self._failed(error) from error

    def checkpoint(self) -> tuple[int, int]:
        """Moves what is in the write-ahead log into the file, beside all commits and reads.

        Returns how many pages are in the log, and how many of them could not be moved. Raises StoreError."""
        try:
            _, pages, moved = self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return pages, pages - moved

    def topics(self) -> list[StoredTopic]:
        try:
            rows = self._reader.execute(_TOPICS).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return [_stored(*row) for row in rows]

    def records(self, kind: str) -> list[tuple[str, bytes]]:
        try:
            return self._reader.execute("SELECT id, body FROM record WHERE kind = ? ORDER BY id", (kind,)).fetchall()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def record(self, kind: str, name: str) -> bytes | None:
        try:
            found = self._reader.execute(_FIND_RECORD, (kind, name)).fetchone()
        except sqlite3.Error as error:
            raise self._failed(error) from error
        return None if found is None else found[0]

    def _move_recent(self) -> bool:
        self._recent.begin()
        if self._recent.is_moving:
            transaction(self._db, lambda _: self._recent.go_on(_MOVED_EVENTS))
        return self._recent.is_moving

    def _undo(self) -> None:
        roll_back(self._db)
        self._recent.undo()

    def _failed(self, error: sqlite3.Error) -> StoreError:
        """What a caller is told. Damage that a reader finds stops the writers too."""
        self._damaged |= _is_damage(error)
        return StoreError(str(error))

    def check(self) -> None:
        """Raises sqlite3.Error and OSError where what is added now would not be found again. For who writes."""
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
            # Of the damaged file the writer still has pages in its memory; those of the reader go with the next commit.
            self._db.execute("PRAGMA shrink_memory")
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

    def _write(self, write: Write, fresh: _Places) -> None:
        db = self._db
        for opened in write.opened:
            self._place(opened.key, opened.epoch, fresh)
        for rewrite in write.rewrites:
            self._rewrite(rewrite, fresh)
        if write.events:
            self._add_events(write.events, fresh)
        for record in write.records:
            if record.body is None:
                db.execute(_DROP_RECORD, (record.kind, record.id))
            else:
                db.execute(_PUT_RECORD, (record.kind, record.id, record.body))
        for rewrite in write.rewrites:
            self._rewrite_base(rewrite)
        for floor in write.floors:
            if (place := self._find_place(floor.key, fresh)) is not None:
                raise_floor(db, place.topic, floor.offset)
        for compaction in write.compactions:
            if (place := self._find_place(compaction.key, fresh)) is not None:
                fresh[compaction.key] = place._replace(size=compact(db, place.topic, compaction.offset))
        for key in write.dropped:
            if (place := self._find_place(key, fresh)) is not None:
                drop_topic(db, place.topic)
            db.execute("DELETE FROM record WHERE kind = ?", (own_kind(key),))
            fresh[key] = None

    def _add_events(self, events: Sequence[Event], fresh: _Places) -> None:
        rows: list[Row] = []
        for event in events:
            topic, start, tail = fresh.get(event.key) or self._place(event.key, event.epoch, fresh)
            slot = event_slot(topic, event.offset)
            if event.offset <= tail:
                raise StoreError(f"{event.key} is at {tail}, and not before {event.offset}")
            fresh[event.key] = _Place(topic, start + len(event.body) + EVENT_OVERHEAD, event.offset)
            merge = _MERGES[event.merge]
            rows.append((slot, event.timestamp, start, merge, event.merge_key, event.event_type, event.body))
        self._recent.add(rows)

    def _place(self, key: ChannelKey, epoch: str, fresh: _Places) -> _Place:
        place = self._find_place(key, fresh)
        if place is None:
            topic = self._db.execute(_ADD_TOPIC, (*_named(key), epoch)).lastrowid or 0
            check_topic_id(topic)
            place = fresh[key] = _Place(topic)
        return place

    def _find_place(self, key: ChannelKey, fresh: _Places) -> _Place | None:
        if key in fresh:
            return fresh[key]
        place = self._places.get(key)
        if place is None and (found := self._db.execute(_FIND_TOPIC, _named(key)).fetchone()) is not None:
            topic, _, _ = found
            size, tail, _ = self._db.execute(_FIND_END, event_slots(topic)).fetchone() or (0, 0, 0)
            place = fresh[key] = _Place(topic, size, tail)
        return place

    def _rewrite(self, rewrite: Rewrite, fresh: _Places) -> None:
        place = self._find_place(rewrite.key, fresh)
        after = 0
        while place is not None and (rows := self._next_events(place.topic, after)):
            for event in (_event(rewrite.key, "", row) for row in rows):
                left = rewrite.redaction.apply(event)
                if left is not event:
                    changed = (left.event_type, left.body, left.merge.value, left.merge_key)
                    for change in _CHANGE_EVENT:
                        self._db.execute(change, (*changed, event_slot(place.topic, event.offset)))
                after = event.offset
        if place is not None:
            fresh[rewrite.key] = place._replace(size=measure(self._db, place.topic))

    def _next_events(self, topic: int, after: int) -> list[_Kept]:
        return self._db.execute(_PAGE, (*event_slots(topic, after), _REWRITE_EVENTS)).fetchall()

    def _rewrite_base(self, rewrite: Rewrite) -> None:
        base = self._db.execute(_FIND_RECORD, (BASE, base_id(rewrite.key))).fetchone()
        if base is not None:
            body = redact_base(rewrite.key, base[0], rewrite.redaction)
            self._db.execute(_PUT_RECORD, (BASE, base_id(rewrite.key), body))

    def _page(
        self, key: ChannelKey, topic: int, epoch: str, after: int, *, max_events: int, max_bytes: int
    ) -> list[Event]:
        events: list[Event] = []
        size = 0
        for row in self._reader.execute(_PAGE, (*event_slots(topic, after), max_events)):
            event = _event(key, epoch, row)
            size += len(event.body) + EVENT_OVERHEAD
            if size > max_bytes and events:
                break
            events.append(event)
        return events


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _named(key: ChannelKey) -> tuple[str, str, str]:
    return key.channel, key.topic, key.owner


def _event(key: ChannelKey, epoch: str, row: _Kept) -> Event:
    offset, event_type, body, merge, merge_key, timestamp, _ = row
    return Event(key, epoch, offset, offset, event_type, body, Merge(merge), merge_key, timestamp)


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
