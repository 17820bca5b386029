"""Logs and records in SQLite: the file and its connections, commits, and reads beside them. Every method blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from actors.event import ChannelKey, Event
from actors.log import new_epoch
from actors.retention import Retention
from actors.store import Excess, StoredTopic, StoreError, Write
from engine.database import limit_bytes, open_database, roll_back, transaction
from engine.database_file import DatabaseFile
from engine.page_reads import Page, PageRequest
from engine.recent_events import RecentEvents
from engine.sqlite_reader import SqliteReader
from engine.sqlite_waste import purge
from engine.sqlite_writer import SqliteWriter
from engine.store_mark import Mark, MarkFile

_MOVED_EVENTS = 64
"""In a transaction that does nothing else. Each may be of another topic and change another page, while commits wait."""
_PRIMARY = 0xFF
"""Of SQLite's result codes, the part that is not detail."""
_CACHE_KIB = 32 * 1024
"""Of the connection that writes: the pages at the ends of some thousand topics that are written to at a time. SQLite's
own 2 MiB hold those of five hundred, and each page that has left it is looked for and read for every event."""
_AUTOCHECKPOINT_PAGES = 16_384
"""64 MB: a commit puts the log into the file by itself only where nobody else has done it for that long."""
_LOG_BYTES = 16 << 20
"""What the write-ahead log keeps of the disk once a rush is over."""
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
        self._mark_is_late = False
        self._damaged = False
        """SQLite has said so. Nothing is added before all of the file has been looked through and found sound."""
        with ExitStack() as opened:
            self._mark = opened.enter_context(closing(MarkFile(path.with_name(path.name + "-mark"))))
            self._file = opened.enter_context(closing(DatabaseFile(path)))
            self._db = opened.enter_context(closing(open_database(path, wait_seconds=wait_seconds)))
            reader = opened.enter_context(closing(open_database(path, wait_seconds=wait_seconds)))
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
            self._writer = SqliteWriter(self._db, self._recent)
            self._reader = SqliteReader(reader)
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
        try:
            self.check()
            self._recent.begin()
            self._db.execute("BEGIN IMMEDIATE")
            for write in writes:
                if isinstance(write, Write):
                    self._writer.write(write)
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
        self._writer.committed()

    def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """As actors.store.Store.read."""
        with self._refusing():
            return self._reader.read(key, after, max_events=max_events, max_bytes=max_bytes)

    def read_all(self, requests: Sequence[PageRequest]) -> list[Page]:
        """As `read`, one after the other."""
        return [self._try_read(request) for request in requests]

    def _try_read(self, asked: PageRequest) -> Page:
        try:
            return self.read(asked.key, asked.after, max_events=asked.max_events, max_bytes=asked.max_bytes)
        except StoreError as error:
            return error

    def holdings(self, channel: str, name: str) -> tuple[list[ChannelKey], list[tuple[str, str]]]:
        """As SqliteReader.holdings. Raises sqlite3.Error."""
        return self._reader.holdings(channel, name)

    def excess(self, bounds: Mapping[str, Retention], now: int, after: int) -> Excess:
        """As actors.store.RetainedStore.excess. With the reader's connection."""
        with self._refusing():
            return self._reader.excess(bounds, now, after)

    def purge(self) -> bool:
        """Deletes a piece of what is no longer kept, or gives a piece of free room back, or goes on with what commits
        have begun to move. Returns whether there may be more. With the writer's connection. Raises StoreError."""
        with self._refusing():
            try:
                return purge(self._db) or self._move_recent()
            except sqlite3.Error:
                self._undo()
                raise

    def checkpoint(self) -> tuple[int, int]:
        """Moves what is in the write-ahead log into the file, beside all commits and reads.

        Returns how many pages are in the log, and how many of them could not be moved. Raises StoreError."""
        with self._refusing():
            _, pages, moved = self._checkpointer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return pages, pages - moved

    def topics(self) -> list[StoredTopic]:
        with self._refusing():
            return self._reader.topics()

    def records(self, kind: str) -> list[tuple[str, bytes]]:
        with self._refusing():
            return self._reader.records(kind)

    def record(self, kind: str, name: str) -> bytes | None:
        with self._refusing():
            return self._reader.record(kind, name)

    def _move_recent(self) -> bool:
        self._recent.begin()
        if self._recent.is_moving:
            transaction(self._db, lambda _: self._recent.go_on(_MOVED_EVENTS))
        return self._recent.is_moving

    def _undo(self) -> None:
        self._writer.rolled_back()
        roll_back(self._db)
        self._recent.undo()

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """What SQLite raises becomes a StoreError. Damage that a reader finds stops the writers too."""
        try:
            yield
        except sqlite3.Error as error:
            self._damaged |= _is_damage(error)
            raise StoreError(str(error)) from error

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


def _is_damage(error: Exception) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
