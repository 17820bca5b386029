"""How much the store's file holds, beside a running engine."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from engine.database import open_existing
from engine.kept_ends import first_kept, last_kept

_KINDS = f"""
SELECT channel, count(*), coalesce(sum(tail - floor), 0), min(oldest) FROM (
    SELECT channel, floor,
        coalesce({last_kept("offset")}, floor) AS tail,
        {first_kept("timestamp")} AS oldest
    FROM topic
) GROUP BY channel ORDER BY channel
"""  # noqa: S608  # constants


class KindFigures(msgspec.Struct, frozen=True):
    """`events`: from the oldest kept to the newest. `oldest`: its time in Unix milliseconds; None where none is."""

    channel: str
    topics: int
    events: int
    oldest: int | None


class StoreFigures(msgspec.Struct, frozen=True):
    """Sizes in bytes. `free`: of the file, what is to be used anew. `waste`: topics of which events are yet to be
    deleted."""

    size: int
    free: int
    log_size: int
    kinds: tuple[KindFigures, ...]
    records: int
    waste: int


def store_figures(path: Path) -> StoreFigures:
    """Blocks. Raises engine.database.SchemaError, sqlite3.Error and OSError."""
    db = open_existing(path)
    try:
        return _figures(db, path)
    finally:
        db.close()


def _figures(db: sqlite3.Connection, path: Path) -> StoreFigures:
    def number(query: str) -> int:
        return int(db.execute(query).fetchone()[0])

    path = path.resolve()
    log = path.with_name(path.name + "-wal")
    return StoreFigures(
        size=path.stat().st_size,
        free=number("PRAGMA freelist_count") * number("PRAGMA page_size"),
        log_size=log.stat().st_size if log.exists() else 0,
        kinds=tuple(KindFigures(*row) for row in db.execute(_KINDS)),
        records=number("SELECT count(*) FROM record"),
        waste=number("SELECT count(*) FROM waste"),
    )
