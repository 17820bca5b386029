"""Reads a task, or a conversation with its tasks, out of the store's file, beside an engine or without one."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from actors.event import ChannelKey, Event, Merge, now_ms
from actors.kept_session import SESSION_RECORDS, KeptSession
from actors.kept_task import TASK_RECORDS, KeptTask
from engine.database import open_existing
from engine.event_slot import event_slots
from engine.export_lines import VERSION, Channel, End, FileLine, Head, Line, Topic, event_line, record_line
from engine.topic_records import records_of

_PAGE_EVENTS = 512
_FIND = "SELECT id, epoch, floor, holes FROM topic WHERE channel = ? AND topic = ? AND owner = ?"
_FIRST = "SELECT offset, slot FROM event WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT 1"
_LAST = "SELECT offset, slot FROM event WHERE slot > ? AND slot <= ? ORDER BY slot DESC LIMIT 1"
_PAGE = """
SELECT offset, type, body, merge, merge_key, timestamp, slot
FROM event WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT ?
"""
_RECORD = "SELECT body FROM record WHERE kind = ? AND id = ?"
_FILES = "SELECT key, name, media_type, data FROM upload WHERE owner = ? AND scope = ? ORDER BY number"


class NothingToExport(Exception):
    """There is no task and no conversation of that name."""


class _Stored(NamedTuple):
    """A topic's row. One that was never said anything in, or is forgotten, has none."""

    id: int = 0
    epoch: str = ""
    floor: int = 0
    holes: int = 0


def export(path: Path, name: str) -> Generator[bytes, None, None]:
    """The lines, each with its end, all as of one moment. Blocks.

    Raises NothingToExport, engine.database.SchemaError, what is actors.unreadable.UNREADABLE for such records,
    sqlite3.Error and OSError."""
    db = open_existing(path)
    digest = hashlib.sha256()
    lines = 0
    try:
        # One read transaction: what is written meanwhile is not seen.
        db.execute("BEGIN")
        for line in _lines(db, name):
            text = msgspec.json.encode(line) + b"\n"
            digest.update(text)
            lines += 1
            yield text
        yield msgspec.json.encode(End(lines, digest.hexdigest())) + b"\n"
    finally:
        db.close()


def _lines(db: sqlite3.Connection, name: str) -> Iterator[Line]:
    session = _session(db, name)
    tasks = _tasks_of(db, name) if session is not None else _task(db, name)
    if session is None and not tasks:
        raise NothingToExport(f"there is no task and no session {name!r}")
    yield Head(VERSION, name, now_ms(), unfinished=tuple(task.id for task in tasks if task.ending is None))
    if session is not None:
        yield from _topic(db, "session", name, session.user_id, session.key)
    for task in tasks:
        yield from _topic(db, "task", task.id, task.user_id)


def _session(db: sqlite3.Connection, name: str) -> KeptSession | None:
    found = db.execute(_RECORD, (SESSION_RECORDS, name)).fetchone()
    return None if found is None else msgspec.json.decode(found[0], type=KeptSession)


def _task(db: sqlite3.Connection, name: str) -> list[KeptTask]:
    found = db.execute(_RECORD, (TASK_RECORDS, name)).fetchall()
    return [msgspec.json.decode(body, type=KeptTask) for (body,) in found]


def _tasks_of(db: sqlite3.Connection, session: str) -> list[KeptTask]:
    """In the order of their creation."""
    rows = db.execute("SELECT body FROM record WHERE kind = ?", (TASK_RECORDS,))
    tasks = (msgspec.json.decode(body, type=KeptTask) for (body,) in rows)
    return sorted((task for task in tasks if task.session_id == session), key=lambda task: task.serial)


def _topic(db: sqlite3.Connection, channel: Channel, name: str, owner: str, files: str = "") -> Iterator[Line]:
    """`files`: what those of the session are kept under; empty where there are none."""
    row = db.execute(_FIND, (channel, name, owner)).fetchone()
    stored = _Stored() if row is None else _Stored(*row)
    slots = event_slots(stored.id, stored.floor)
    first, _ = db.execute(_FIRST, slots).fetchone() or (None, 0)
    tail, _ = db.execute(_LAST, slots).fetchone() or (stored.floor, 0)
    holes = stored.holes if stored.holes > stored.floor else 0
    # What is missing before the first event that is left is a hole, where there are such.
    yield Topic(channel, name, owner, stored.epoch, stored.floor + 1 if holes else first or tail + 1, tail, holes)
    for record in records_of(db, channel, name):
        yield record_line(*record)
    if files:
        for file in db.execute(_FILES, (owner, files)):
            yield FileLine(*file)
    for event in _events(db, ChannelKey(channel, name, owner), stored):
        yield event_line(event)


def _events(db: sqlite3.Connection, key: ChannelKey, stored: _Stored) -> Iterator[Event]:
    after = stored.floor
    while rows := db.execute(_PAGE, (*event_slots(stored.id, after), _PAGE_EVENTS)).fetchall():
        for offset, event_type, body, merge, merge_key, timestamp, _ in rows:
            yield Event(key, stored.epoch, offset, offset, event_type, body, Merge(merge), merge_key, timestamp)
            after = offset
