"""What a log on the disk says and is asked, and where in the file it lies."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from actors.event import ChannelKey, Event, Merge
from actors.store import Write
from engine.recent_events import NOT_MOVED
from engine.sqlite_log import SqliteLog

KEYS = [ChannelKey("task", f"task-{number}", "alice") for number in range(4)]
GENERATION = 16
"""How many events are moved together, where a test has few."""


def event(key: ChannelKey, offset: int, size: int = 2, merge: Merge = Merge.NEVER) -> Event:
    return Event(key, "one", offset, offset, "word", b"x" * size, merge, "m", 7)


def read_all(log: SqliteLog, key: ChannelKey, at_once: int = 3) -> list[Event]:
    """In pages of so many."""
    found: list[Event] = []
    while page := log.read(key, found[-1].offset if found else 0, max_events=at_once, max_bytes=10**6):
        found += page
    return found


def say_more(log: SqliteLog, after: int, commits: int) -> int:
    """So many commits in which each topic says one word. Returns the last offset."""
    for offset in range(after + 1, after + 1 + commits):
        log.commit(Write(events=[event(key, offset) for key in KEYS]))
    return after + commits


def view(log: SqliteLog) -> object:
    return log.topics(), [read_all(log, key, 100) for key in KEYS]


def counts(path: Path) -> tuple[int, int, int]:
    """How many rows are settled, how many are recent, and how many of those are in both."""
    with closing(sqlite3.connect(path)) as db:
        (settled,) = db.execute("SELECT count(*) FROM settled").fetchone()
        (recent,) = db.execute("SELECT count(*) FROM recent").fetchone()
        (left,) = db.execute(f"SELECT count(*) FROM recent WHERE {NOT_MOVED}").fetchone()  # noqa: S608  # a constant
    return settled, recent, recent - left
