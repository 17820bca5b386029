"""Files in SQLite: each in a row of a table of its own, written and read in threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from actors.errors import CallboardError, ErrorCode
from actors.uploads import FILE_OVERHEAD, Upload, UploadsOptions, no_such_file, upload_key
from engine.database import limit_bytes, open_database, transaction

_PUT = "INSERT INTO upload (owner, key, scope, name, media_type, size, data) VALUES (?, ?, ?, ?, ?, ?, ?)"
_FIND = "SELECT name, media_type, data FROM upload WHERE owner = ? AND scope = ? AND key = ?"
_FORGET_KEY = "DELETE FROM upload WHERE owner = ? AND key = ?"
_FORGET = "DELETE FROM upload WHERE owner = ? AND scope = ? AND key = ?"
_FORGET_ALL = "DELETE FROM upload WHERE owner = ? AND scope = ?"
_BYTES_OF_OWNER = "SELECT coalesce(sum(size), 0) FROM upload WHERE owner = ?"
_OLDEST_OF_OWNER = "SELECT number, size FROM upload WHERE owner = ? ORDER BY number LIMIT 1"
_BYTES_OF_ALL = "SELECT coalesce(sum(size), 0) FROM upload"
_OLDEST_OF_ALL = "SELECT number, size FROM upload ORDER BY number LIMIT 1"

T = TypeVar("T")


class SqliteUploads:
    """An actors.uploads.UploadStore. Its files never pass through the journal: nothing else waits for their bytes.

    Each call is finished once it has begun, also where it is cancelled: what it says is what is in the file.
    """

    def __init__(
        self,
        path: Path,
        options: UploadsOptions,
        writing: trio.CapacityLimiter,
        *,
        check: Callable[[], None] = lambda: None,
        max_bytes: int | None = None,
    ) -> None:
        """`writing` is that of all who write to the file in this process; `check` is called before each write and
        raises sqlite3.Error and OSError where what is written now would not be found again; `max_bytes`: how large the
        file may grow. Blocks. Raises engine.database.SchemaError, sqlite3.Error and OSError."""
        self._options = options
        self._writing = writing
        self._check = check
        self._reading = trio.CapacityLimiter(1)
        self._writer = open_database(path)
        self._reader = open_database(path)
        if max_bytes is not None:
            limit_bytes(self._writer, max_bytes)

    def close(self) -> None:
        """Nothing may be under way. Blocks."""
        self._writer.close()
        self._reader.close()

    async def put(self, owner: str, scope: str, name: str, media_type: str, data: bytes) -> Upload:
        size = self._options.size_of(data)

        def put() -> Upload:
            upload = Upload(upload_key(owner, scope, name, data), scope, name, media_type, data)
            self._check()
            transaction(self._writer, lambda db: self._put(db, owner, upload, size))
            return upload

        return await _in_thread(put, self._writing)

    async def find(self, owner: str, scope: str, key: str) -> Upload:
        def find() -> tuple[str, str, bytes] | None:
            found: tuple[str, str, bytes] | None = self._reader.execute(_FIND, (owner, scope, key)).fetchone()
            return found

        row = await _in_thread(find, self._reading)
        if row is None:
            raise no_such_file()
        name, media_type, data = row
        return Upload(key, scope, name, media_type, data)

    async def forget(self, owner: str, scope: str, key: str) -> None:
        await _in_thread(partial(self._run, _FORGET, (owner, scope, key)), self._writing)

    async def forget_all(self, owner: str, scope: str) -> None:
        await _in_thread(partial(self._run, _FORGET_ALL, (owner, scope)), self._writing)

    def _put(self, db: sqlite3.Connection, owner: str, upload: Upload, size: int) -> None:
        # Brought again, it needs no room beside itself.
        db.execute(_FORGET_KEY, (owner, upload.key))
        _make_room(db, _BYTES_OF_OWNER, _OLDEST_OF_OWNER, (owner,), self._options.owner_bytes - size)
        _make_room(db, _BYTES_OF_ALL, _OLDEST_OF_ALL, (), self._options.total_bytes - size)
        put_upload(db, owner, upload)

    def _run(self, statement: str, values: tuple[str, ...]) -> None:
        self._check()
        self._writer.execute(statement, values)


def put_upload(db: sqlite3.Connection, owner: str, upload: Upload) -> None:
    """As the newest of all files, whether or not the owner has it already. Within the caller's transaction. Raises
    sqlite3.Error."""
    size = len(upload.data) + FILE_OVERHEAD
    db.execute(_FORGET_KEY, (owner, upload.key))
    db.execute(_PUT, (owner, upload.key, upload.scope, upload.name, upload.media_type, size, upload.data))


def _make_room(db: sqlite3.Connection, total: str, oldest: str, whose: tuple[str, ...], most: int) -> None:
    """Until what is there has at most so many bytes the files brought first go."""
    (left,) = db.execute(total, whose).fetchone()
    while left > most:
        number, size = db.execute(oldest, whose).fetchone()
        db.execute("DELETE FROM upload WHERE number = ?", (number,))
        left -= size


async def _in_thread(call: Callable[[], T], limiter: trio.CapacityLimiter) -> T:
    try:
        return await trio.to_thread.run_sync(call, limiter=limiter)
    except (sqlite3.Error, OSError) as error:
        message = f"files cannot be kept or read at the moment: {error}"
        raise CallboardError(ErrorCode.UNAVAILABLE, message, retry_after=2.0) from error
