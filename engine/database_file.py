"""The files of the database as the system sees them: whether what is written still goes where it will be looked for."""

from __future__ import annotations

import os
from pathlib import Path

_HEADER = b"SQLite format 3\0"
_WRITE_VERSION = 18
"""The place in the file of what says whether it is used with a write-ahead log."""
_WITHOUT_LOG = b"\1"


class DatabaseFile:
    """The file and its write-ahead log, which SQLite holds open whatever becomes of their names.

    To be opened before the connections and closed after them: closing any descriptor of a file drops the locks that
    this process has on it.
    """

    def __init__(self, path: Path) -> None:
        """Makes the file where there is none, readable by its owner alone. Raises OSError, also where the write-ahead
        log is a former file's."""
        self._path = path
        self._log = path.with_name(path.name + "-wal")
        self._file = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._known_log: tuple[int, int] | None = None
        try:
            self._check_log()
        except OSError:
            self.close()
            raise

    @property
    def inode(self) -> int:
        return os.fstat(self._file).st_ino

    def know_log(self) -> None:
        """The database has been written to: its log stays the same file from now on. Raises OSError."""
        self._known_log = _identity(self._log.stat())

    def check(self) -> None:
        """Raises OSError where a file was removed or replaced, or is no database any more. Takes some microseconds."""
        if _identity(self._path.stat()) != _identity(os.fstat(self._file)):
            raise OSError(f"{self._path} is not the file that was opened")
        if _identity(self._log.stat()) != self._known_log:
            raise OSError(f"{self._log} is not the file that was opened")
        if os.pread(self._file, len(_HEADER), 0) != _HEADER:
            raise OSError(f"{self._path} was overwritten: it is not a database any more")

    def _check_log(self) -> None:
        """A copy that was put in the place of a file beside which the log still lies has never had one. SQLite would
        not notice, and mix the two."""
        has_log = self._log.exists() and self._log.stat().st_size > 0
        if has_log and os.pread(self._file, 1, _WRITE_VERSION) == _WITHOUT_LOG:
            raise OSError(f"{self._log} is of a former {self._path.name}: delete it, then this one is as it was copied")

    def close(self) -> None:
        os.close(self._file)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino
