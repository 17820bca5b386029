"""Reads a task, or a conversation with its tasks, out of the store's file, beside an engine or without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from actors.event import ChannelKey, Event, Merge, now_ms
from engine.database import open_existing
from engine.export_lines import VERSION, Channel, End, Head, Line, Topic, event_line, record_line

_PAGE_EVENTS = 512
_FIND = """
SELECT id, channel, topic, owner, epoch, floor FROM topic
WHERE channel IN ('task', 'session') AND topic = ? ORDER BY channel, owner
"""
_PAGE = """
SELECT offset, type, body, merge, merge_key, timestamp
FROM event WHERE topic = ? AND offset > ? ORDER BY offset LIMIT ?
"""
_NAMES_TASK = ("task_id", "exec_id")
"""Members of a conversation's events that name a task of it."""


class NothingToExport(Exception):
    """There is no task and no conversation of that name."""


class _Stored(NamedTuple):
    id: int
    channel: str
    topic: str
    owner: str
    epoch: str
    floor: int


class _OfSession(msgspec.Struct):
    """What matters of a task's record."""

    session_id: str | None = None


def export(path: Path, name: str) -> Generator[bytes, None, None]:
    """The lines, each with its end, all as of one moment. Blocks.

    Raises NothingToExport, engine.database.SchemaError, sqlite3.Error and OSError."""
    db = open_existing(path)
    try:
        # One read transaction: what is written meanwhile is not seen.
        db.execute("BEGIN")
        lines = 0
        for line in _lines(db, name):
            yield msgspec.json.encode(line) + b"\n"
            lines += 1
        yield msgspec.json.encode(End(lines)) + b"\n"
    finally:
        db.close()


def records_of(db: sqlite3.Connection, name: str) -> list[tuple[str, str, bytes]]:
    """Kind, id and body of what is true of a task or conversation: records of its own id, and of parts of it, whose ids
    begin with that and a slash. Raises sqlite3.Error."""
    kinds = [kind for (kind,) in db.execute("SELECT DISTINCT kind FROM record ORDER BY kind")]
    query = "SELECT kind, id, body FROM record WHERE kind = ? AND (id = ? OR (id > ? AND id < ?)) ORDER BY id"
    # "0" comes right behind "/".
    return [row for kind in kinds for row in db.execute(query, (kind, name, f"{name}/", f"{name}0"))]


def _lines(db: sqlite3.Connection, name: str) -> Iterator[Line]:
    found = _find(db, name)
    if not found:
        raise NothingToExport(f"there is no task and no session {name!r}")
    yield Head(VERSION, name, now_ms())
    for stored in found:
        tasks: dict[str, None] = {}
        yield from _topic(db, stored, tasks)
        if stored.channel == "session":
            tasks |= dict.fromkeys(_recorded_tasks(db, name))
            for task in tasks:
                for each in _find(db, task):
                    if each.channel == "task" and each.owner == stored.owner:
                        yield from _topic(db, each, {})


def _find(db: sqlite3.Connection, name: str) -> list[_Stored]:
    return [_Stored(*row) for row in db.execute(_FIND, (name,))]


def _topic(db: sqlite3.Connection, stored: _Stored, tasks: dict[str, None]) -> Iterator[Line]:
    """`tasks` collects those that its events name."""
    first, tail = db.execute(
        "SELECT min(offset), max(offset) FROM event WHERE topic = ? AND offset > ?", (stored.id, stored.floor)
    ).fetchone()
    channel: Channel = "session" if stored.channel == "session" else "task"
    tail = tail or stored.floor
    yield Topic(channel, stored.topic, stored.owner, stored.epoch, first or tail + 1, tail)
    for record in records_of(db, stored.topic):
        yield record_line(*record)
    for event in _events(db, stored):
        if stored.channel == "session":
            tasks |= dict.fromkeys(_named_tasks(event))
        yield event_line(event)


def _events(db: sqlite3.Connection, stored: _Stored) -> Iterator[Event]:
    key, after = ChannelKey(stored.channel, stored.topic, stored.owner), stored.floor
    while rows := db.execute(_PAGE, (stored.id, after, _PAGE_EVENTS)).fetchall():
        for offset, event_type, body, merge, merge_key, timestamp in rows:
            yield Event(key, stored.epoch, offset, offset, event_type, body, Merge(merge), merge_key, timestamp)
            after = offset


def _named_tasks(event: Event) -> list[str]:
    data = orjson.loads(event.body)
    members = data if isinstance(data, dict) else {}
    return [name for member in _NAMES_TASK if isinstance(name := members.get(member), str)]


def _recorded_tasks(db: sqlite3.Connection, session: str) -> list[str]:
    """Also those that have said nothing yet."""
    found: list[str] = []
    for task, body in db.execute("SELECT id, body FROM record WHERE kind = 'task' ORDER BY id"):
        try:
            if msgspec.json.decode(body, type=_OfSession).session_id == session:
                found.append(task)
        except msgspec.DecodeError:
            # A record of another form: the events name its task all the same, once it has said something.
            continue
    return found
