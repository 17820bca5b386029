"""A file beside the database that tells whether the database is the one that was left, and whole."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

import msgspec

_FORM = struct.Struct("<8s16sQ")
_MAGIC = b"callbrd1"
COPY = -1
"""Stands for the inode in a database that was copied on purpose: no file has it."""


class Mark(msgspec.Struct, frozen=True):
    """Which database, and how many commits it had when the last one was acknowledged."""

    database: bytes
    commits: int


class MarkFile:
    """Written after each commit and before anyone hears of it, so it is never ahead of a whole database.

    A database that is behind its mark was restored from a copy, or cut short. What is written stays with the kernel: it
    survives the process at the price of one call, and after a power failure it may be old, which says nothing against
    the database.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, which is made where there is none, readable by its owner alone, and holds it until `close`.

        Blocks. Raises BlockingIOError where another process, or another one here, holds it, and OSError.
        """
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(self._file, path)
        except BaseException:
            # Whatever it was: nobody else would close the descriptor.
            os.close(self._file)
            raise

    def read(self) -> Mark | None:
        """What was written last; None where nothing was, or not by us."""
        magic, database, commits = _FORM.unpack(os.pread(self._file, _FORM.size, 0).ljust(_FORM.size, b"\0"))
        return Mark(database, commits) if magic == _MAGIC else None

    def write(self, mark: Mark) -> None:
        """Never blocks for long. Raises OSError where the disk does not take it."""
        try:
            os.pwrite(self._file, _FORM.pack(_MAGIC, mark.database, mark.commits), 0)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error

    def close(self) -> None:
        """Once."""
        os.close(self._file)


def _lock(file: int, path: Path) -> None:
    try:
        # On the open file, not the process: closing another descriptor of it gives nothing up.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(error.errno, f"in use by another engine: {str(path).removesuffix('-mark')}") from None
