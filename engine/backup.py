"""A copy of the store's file, made beside a running engine."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from engine.database import open_existing
from engine.store_mark import COPY
from engine.whole_file import whole_file

_STEP_PAGES = 256
_STEP_PAUSE = 0.002
"""Seconds between two steps: the engine's own writes come first."""


def back_up(path: Path, target: Path, *, replace: bool = False) -> int:
    """All that is committed when it begins, in one file. Returns its size in bytes.

    An engine that is started on the copy gives its topics new epochs: what came after it is not in it. The copy is
    looked through before it takes its place. Blocks. Raises FileExistsError unless `replace`,
    engine.database.SchemaError, sqlite3.Error and OSError."""
    with closing(open_existing(path)) as source, whole_file(target, replace=replace) as file:
        # A read transaction around all steps: without one, each commit beside them has the copy begin anew.
        source.execute("BEGIN")
        source.execute("SELECT commits FROM life").fetchone()
        with closing(sqlite3.connect(file, isolation_level=None)) as copy:
            _copy(source, copy, target)
            # One file: no write-ahead log belongs to it.
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("UPDATE life SET inode = ?", (COPY,))
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise sqlite3.DatabaseError(f"the database is damaged: {' '.join(found.split())}")
    return target.stat().st_size


def _copy(source: sqlite3.Connection, copy: sqlite3.Connection, target: Path) -> None:
    try:
        source.backup(copy, pages=_STEP_PAGES, progress=lambda *_: time.sleep(_STEP_PAUSE))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target)) from error
        raise
