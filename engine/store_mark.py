"""A file beside the database that tells whether the database is the one that was left, and whole."""

from __future__ import annotations

import fcntl
import mmap
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

    A database that is behind its mark was restored from a copy, or cut short. The mark is written to memory that the
    kernel keeps for the file: it survives the process at no cost, and after a power failure it may be old, which says
    nothing against the database.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, which is made where there is none, readable by its owner alone, and holds it until `close`.

        Blocks. Raises BlockingIOError where another process, or another one here, holds it, and OSError.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(self._file, path)
            if os.fstat(self._file).st_size < _FORM.size:
                os.ftruncate(self._file, _FORM.size)
            self._memory = mmap.mmap(self._file, _FORM.size)
        except BaseException:
            # Whatever it was: nobody else would close the descriptor.
            os.close(self._file)
            raise

    def read(self) -> Mark | None:
        """What was written last; None where nothing was, or not by us."""
        magic, database, commits = _FORM.unpack(self._memory[:])
        return Mark(database, commits) if magic == _MAGIC else None

    def write(self, mark: Mark) -> None:
        """Never blocks for long and fails only where the disk does."""
        _FORM.pack_into(self._memory, 0, _MAGIC, mark.database, mark.commits)

    def close(self) -> None:
        """Idempotent."""
        if not self._memory.closed:
            self._memory.close()
            os.close(self._file)


def _lock(file: int, path: Path) -> None:
    try:
        # On the open file, not the process: closing another descriptor of it gives nothing up.
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise BlockingIOError(error.errno, f"in use by another engine: {path}") from None
