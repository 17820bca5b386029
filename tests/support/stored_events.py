"""Events as a log on the disk is given them, and pages as it gives them back."""

from __future__ import annotations

from actors.event import ChannelKey, Event, Merge
from engine.sqlite_log import SqliteLog

TASK = ChannelKey("task", "task-1", "alice")
SESSION = ChannelKey("session", "session-1", "alice")


def event(key: ChannelKey, offset: int, body: bytes = b"{}", epoch: str = "one") -> Event:
    return Event(key, epoch, offset, offset, "word", body, Merge.TEXT, "message-1", 1000 + offset)


def page(log: SqliteLog, key: ChannelKey, after: int = 0, *, events: int = 100, size: int = 10**6) -> list[Event]:
    return log.read(key, after, max_events=events, max_bytes=size)
