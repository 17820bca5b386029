"""What may befall a database between two engines, beside nothing."""

from __future__ import annotations

import random
import shutil
import sqlite3
import tempfile
from pathlib import Path

_PARTS = ("", "-wal")


class RestoredCopy:
    """After every other engine a copy is made of the database, and after the next one it is put back."""

    def __init__(self) -> None:
        self._copy: dict[str, bytes] | None = None

    def __call__(self, path: Path, chance: random.Random) -> bool:
        parts = {part: path.with_name(path.name + part) for part in _PARTS}
        if self._copy is None:
            self._copy = {part: file.read_bytes() for part, file in parts.items() if file.exists()}
            return False
        before = commits(path)
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        for part, file in parts.items():
            file.unlink(missing_ok=True)
            if part in self._copy:
                file.write_bytes(self._copy[part])
        self._copy = None
        return commits(path) < before


def shortened_log(path: Path, chance: random.Random) -> bool:
    """Of the write-ahead log only a part is left."""
    log = path.with_name(path.name + "-wal")
    before = commits(path)
    if log.exists():
        with log.open("r+b") as file:
            file.truncate(chance.randrange(log.stat().st_size + 1))
    return commits(path) < before


def everything(path: Path, chance: random.Random) -> bool:
    """What was in memory alone is gone with every engine."""
    return True


def commits(path: Path) -> int:
    """How many the database has had. Asked of a copy: to read from a database is to change it."""
    with tempfile.TemporaryDirectory() as folder:
        for part in _PARTS:
            file = path.with_name(path.name + part)
            if file.exists():
                shutil.copy(file, folder)
        db = sqlite3.connect(Path(folder) / path.name)
        try:
            # Cut short enough, the log has not even made the tables.
            made = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'life'").fetchone()[0]
            found: int = db.execute("SELECT commits FROM life").fetchone()[0] if made else 0
        finally:
            db.close()
    return found
