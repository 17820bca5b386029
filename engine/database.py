"""The SQLite file: made private, opened alike by every part, its schema kept in step."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.database_file import DatabaseFile
from engine.event_slot import OFFSET_OF_SLOT, TOPIC_OF_SLOT
from engine.recent_events import NOT_MOVED

_API_KEYS = """
CREATE TABLE api_key (
    id TEXT PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL,
    revoked REAL
) STRICT;
CREATE TABLE api_key_generation (value INTEGER NOT NULL) STRICT;
INSERT INTO api_key_generation VALUES (0);
"""

_LOG = f"""
CREATE TABLE life (
    database BLOB NOT NULL,
    inode INTEGER NOT NULL,
    commits INTEGER NOT NULL
) STRICT;
INSERT INTO life VALUES (randomblob(16), 0, 0);
CREATE TABLE topic (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel TEXT NOT NULL,
    topic TEXT NOT NULL,
    owner TEXT NOT NULL,
    epoch TEXT NOT NULL,
    floor INTEGER NOT NULL DEFAULT 0,
    holes INTEGER NOT NULL DEFAULT 0,
    UNIQUE (channel, topic, owner)
) STRICT;
CREATE TABLE event (
    slot INTEGER PRIMARY KEY,
    topic INTEGER AS ({TOPIC_OF_SLOT}),
    offset INTEGER AS ({OFFSET_OF_SLOT}),
    timestamp INTEGER NOT NULL,
    start INTEGER NOT NULL,
    merge INTEGER NOT NULL,
    merge_key TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE TABLE waste (
    topic INTEGER PRIMARY KEY,
    upto INTEGER NOT NULL
) STRICT;
CREATE TABLE record (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
"""  # noqa: S608  # constants
"""`life`: which database this is, which file it was when it was last used, and how many commits it has had.

`topic.holes`: the last offset that compaction has taken out; up to there only the discrete events are left.
`event`, which is `settled` later: its `topic` and `offset` are there to be read, by the slot alone events are found,
see engine.event_slot. `start`: the size of the topic's events before this one, so that the size of any run of them
takes two look-ups; it stands before the body, which is then not read for it. `waste`: the events of a topic up to that
offset are no longer kept, and still to be deleted; the topic may be gone, and its id is never used again.
"""

_UPLOADS = """
CREATE TABLE upload (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (owner, key)
) STRICT;
CREATE INDEX upload_size ON upload (owner, number, size);
CREATE INDEX upload_age ON upload (number, size);
"""
"""The indexes hold all that is asked for to make room: no file is read for it."""

_FIRST_RECENT = """
CREATE TABLE recent (
    id INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    start INTEGER NOT NULL,
    merge INTEGER NOT NULL,
    merge_key TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
"""
"""Events that were yet to be moved to `event`, or had been. Without an index: their places were in memory."""

_RECENT = f"""
INSERT OR IGNORE INTO event SELECT slot, timestamp, start, merge, merge_key, type, body FROM recent ORDER BY slot;
DROP TABLE recent;
ALTER TABLE event RENAME TO settled;
CREATE TABLE recent (
    id INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    start INTEGER NOT NULL,
    merge INTEGER NOT NULL,
    merge_key TEXT NOT NULL,
    type TEXT NOT NULL,
    body BLOB NOT NULL,
    topic INTEGER AS ({TOPIC_OF_SLOT}),
    offset INTEGER AS ({OFFSET_OF_SLOT})
) STRICT;
CREATE UNIQUE INDEX recent_slot ON recent (slot);
CREATE TABLE moving (
    last INTEGER NOT NULL,
    upto INTEGER NOT NULL
) STRICT;
INSERT INTO moving VALUES (0, 0);
CREATE VIEW event AS
    SELECT slot, topic, offset, timestamp, start, merge, merge_key, type, body FROM settled UNION ALL
    SELECT slot, topic, offset, timestamp, start, merge, merge_key, type, body FROM recent WHERE {NOT_MOVED};
"""  # noqa: S608  # constants
"""`event` is what is read: all events, each of them once. Asked for with `slot` among the columns and in the order of
the slots, or without an order, it takes what a table takes; asked for a topic at hand it is read from end to end.
`recent`: events in the order in which they came, see engine.recent_events. `moving`: of its rows up to the id `last`
those up to the slot `upto` are in `settled` too."""

_BEFORE_LOG = 1
"""The schema's version while the file held nothing but keys."""
_INCREMENTAL = 2
MIGRATIONS: tuple[str, ...] = (_API_KEYS, _LOG, _UPLOADS, _FIRST_RECENT, _RECENT)
"""Each brings the schema from its index to the next `user_version`. Only ever appended to."""


class SchemaError(Exception):
    """The file was written by a newer Callboard, or is no database."""


def open_database(path: Path, *, wait_seconds: float = 5.0) -> sqlite3.Connection:
    """Opens the file, which is made where there is none, readable by its owner alone, and brings its schema up to date.

    The connection is in autocommit mode; `transaction` groups statements. It may pass between threads if only one
    uses it at a time. `wait_seconds` is how long a statement waits for another process's lock. Blocks. Raises
    SchemaError, sqlite3.Error and OSError.
    """
    if str(path) != ":memory:":
        _make_private(path)
    db = sqlite3.connect(path, timeout=wait_seconds, isolation_level=None, check_same_thread=False)
    try:
        _check_ours(db)
        _make_shrinkable(db)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        _migrate(db)
    except sqlite3.DatabaseError as error:
        db.close()
        raise SchemaError(f"{path} is not usable as Callboard's database: {error}") from error
    except SchemaError as error:
        db.close()
        raise SchemaError(f"{path}: {error}") from None
    return db


def open_existing(path: Path) -> sqlite3.Connection:
    """Opens the file to read it, beside an engine or without one, and changes nothing of it.

    Not in a process that has opened it already. Blocks. Raises SchemaError, also for an older schema, sqlite3.Error,
    FileNotFoundError, and OSError where the write-ahead log is a former file's.
    """
    if not path.is_file():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    DatabaseFile(path).close()
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
    try:
        db.execute("PRAGMA query_only = ON")
        version = _version(db)
    except sqlite3.DatabaseError as error:
        db.close()
        raise SchemaError(f"{path} is not usable as Callboard's database: {error}") from error
    if version > len(MIGRATIONS):
        db.close()
        raise SchemaError(f"{path}: {_newer(version)}")
    if version < len(MIGRATIONS):
        db.close()
        message = f"schema version {version} is older than this Callboard's, {len(MIGRATIONS)}: a start of the server"
        raise SchemaError(f"{path}: {message} brings it up to date")
    return db


def _check_ours(db: sqlite3.Connection) -> None:
    """Another program's tables are left alone. One statement, so that it sees one moment of a file that is being made.

    Raises SchemaError."""
    seen = "SELECT (SELECT user_version FROM pragma_user_version), (SELECT count(*) FROM sqlite_master)"
    version, tables = db.execute(seen).fetchone()
    if tables and not version:
        raise SchemaError("this is another program's database")


def _newer(version: int) -> str:
    return f"schema version {version} is newer than this Callboard's, {len(MIGRATIONS)}"


def _make_shrinkable(db: sqlite3.Connection) -> None:
    """Has the file give free pages back in pieces. Decided before the first table is made, or by writing all anew."""
    if _version(db) > _BEFORE_LOG or db.execute("PRAGMA auto_vacuum").fetchone()[0] == _INCREMENTAL:
        return
    db.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
    if _version(db):
        # It holds some keys and nothing else: a moment.
        db.execute("VACUUM")


def _make_private(path: Path) -> None:
    """Makes the file where there is none. SQLite gives its -wal and -shm files the same mode.

    A file that is there is not opened: closing it again would drop the POSIX locks of every connection that this
    process has to it, and another process would then take itself for the last user and delete the log beneath us.
    """
    with suppress(FileExistsError):
        # A link to where nothing is yet would be taken for a file.
        os.close(os.open(path.resolve(), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def transaction(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], None]) -> None:
    """Runs `work` in one write transaction: all of it, or, when it raises, nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        work(db)
        db.execute("COMMIT")
    except BaseException:
        # Whatever ended it, KeyboardInterrupt too: the write lock must not outlive it.
        roll_back(db)
        raise


def roll_back(db: sqlite3.Connection) -> None:
    """After an error, which is the one to be told: SQLite has done it already where the disk was full, and what fails
    here has failed before."""
    with suppress(sqlite3.Error):
        if db.in_transaction:
            db.execute("ROLLBACK")


def limit_bytes(db: sqlite3.Connection, most: int) -> None:
    """What this connection writes makes the file no larger than that, or than it is. The write-ahead log is beside
    that."""
    (page,) = db.execute("PRAGMA page_size").fetchone()
    db.execute(f"PRAGMA max_page_count = {max(1, most // page)}")


def _migrate(db: sqlite3.Connection) -> None:
    if _version(db) < len(MIGRATIONS):
        transaction(db, _apply_missing)
    if _version(db) > len(MIGRATIONS):
        raise SchemaError(_newer(_version(db)))


def _apply_missing(db: sqlite3.Connection) -> None:
    # The version is read again under the write lock: another process may have migrated meanwhile.
    for version in range(_version(db), len(MIGRATIONS)):
        for statement in MIGRATIONS[version].split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {version + 1}")


def _version(db: sqlite3.Connection) -> int:
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    return version
