"""Both tables of events as one, for who reads the file with SQL alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from engine.database import EVENT_COLUMNS, roll_back

_COLUMNS = "slot, timestamp, start, merge, merge_key, type, body"
_SHADOW = (
    f"CREATE TABLE temp.recent_event ({EVENT_COLUMNS})",
    f"""INSERT INTO temp.recent_event ({_COLUMNS}) SELECT {_COLUMNS} FROM main.recent
        WHERE NOT EXISTS (SELECT 1 FROM main.event WHERE event.slot = recent.slot)""",  # noqa: S608  # constants
    """CREATE TEMP VIEW event AS
        SELECT slot, topic, offset, timestamp, start, merge, merge_key, type, body FROM main.event UNION ALL
        SELECT slot, topic, offset, timestamp, start, merge, merge_key, type, body FROM temp.recent_event""",
)
"""What is in `temp` goes before what has the same name in the file."""


@contextmanager
def whole_events(db: sqlite3.Connection) -> Iterator[None]:
    """A read transaction in which `event` also has what is yet to be moved there: as of one moment, whatever others
    write meanwhile. Of the file nothing is changed. Raises sqlite3.Error."""
    (kept,) = db.execute("PRAGMA query_only").fetchone()
    db.execute("PRAGMA temp_store = MEMORY")
    db.execute("BEGIN")
    try:
        if db.execute("SELECT EXISTS (SELECT 1 FROM recent)").fetchone()[0]:
            db.execute("PRAGMA query_only = OFF")
            for statement in _SHADOW:
                db.execute(statement)
            db.execute(f"PRAGMA query_only = {kept}")
        yield
    finally:
        db.execute(f"PRAGMA query_only = {kept}")
        # Takes the view away again.
        roll_back(db)
