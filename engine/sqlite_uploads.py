"""Files in SQLite: each in a row of a table of its own, written and read in threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from actors.errors import CallboardError, ErrorCode
from actors.uploads import Upload, UploadsOptions, no_such_file, upload_key
from engine.database import open_database, transaction

_PUT = "INSERT INTO upload (owner, key, scope, name, media_type, size, data) VALUES (?, ?, ?, ?, ?, ?, ?)"
_FIND = "SELECT name, media_type, data FROM upload WHERE owner = ? AND scope = ? AND key = ?"
_FORGET_KEY = "DELETE FROM upload WHERE owner = ? AND key = ?"
_FORGET = "DELETE FROM upload WHERE owner = ? AND scope = ? AND key = ?"
_FORGET_ALL = "DELETE FROM upload WHERE owner = ? AND scope = ?"
_OF_OWNER = "SELECT number, size FROM upload WHERE owner = ? ORDER BY number"
_OF_ALL = "SELECT number, size FROM upload ORDER BY number"

T = TypeVar("T")


class SqliteUploads:
    """An actors.uploads.UploadStore. Its files never pass through the journal: nothing else waits for their bytes.

    Each call is finished once it has begun, also where it is cancelled: what it says is what is in the file.
    """

    def __init__(self, path: Path, options: UploadsOptions, writing: trio.CapacityLimiter) -> None:
        """`writing` is that of all who write to the file in this process. Blocks. Raises
        engine.database.SchemaError, sqlite3.Error and OSError."""
        self._options = options
        self._writing = writing
        self._reading = trio.CapacityLimiter(1)
        self._writer = open_database(path)
        self._reader = open_database(path)

    def close(self) -> None:
        """Nothing may be under way. Blocks."""
        self._writer.close()
        self._reader.close()

    async def put(self, owner: str, scope: str, name: str, media_type: str, data: bytes) -> Upload:
        size = self._options.size_of(data)

        def put() -> Upload:
            upload = Upload(upload_key(owner, scope, name, data), scope, name, media_type, data)
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
        db.execute(_FORGET_KEY, (owner, upload.key))
        _make_room(db, db.execute(_OF_OWNER, (owner,)).fetchall(), self._options.owner_bytes - size)
        _make_room(db, db.execute(_OF_ALL).fetchall(), self._options.total_bytes - size)
        db.execute(_PUT, (owner, upload.key, upload.scope, upload.name, upload.media_type, size, upload.data))

    def _run(self, statement: str, values: tuple[str, ...]) -> None:
        self._writer.execute(statement, values)


def _make_room(db: sqlite3.Connection, oldest_first: list[tuple[int, int]], most: int) -> None:
    """Until what is there has at most so many bytes the files brought first go."""
    rest = sum(size for _, size in oldest_first)
    for number, size in oldest_first:
        if rest <= most:
            return
        db.execute("DELETE FROM upload WHERE number = ?", (number,))
        rest -= size


async def _in_thread(call: Callable[[], T], limiter: trio.CapacityLimiter) -> T:
    try:
        return await trio.to_thread.run_sync(call, limiter=limiter)
    except sqlite3.Error as error:
        message = f"files cannot be kept or read at the moment: {error}"
        raise CallboardError(ErrorCode.UNAVAILABLE, message, retry_after=2.0) from error
