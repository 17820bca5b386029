"""The store port over SQLite: its calls, each in a thread."""

from __future__ import annotations

from functools import partial

import trio

from actors.event import ChannelKey, Event
from actors.store import StoredTopic, Write
from engine.sqlite_log import SqliteLog


class SqliteStore:
    """An actors.store.Store. One thread at a time writes, another may read beside it.

    A call that is cancelled is finished first: whether a commit took place must not stay open.
    """

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self._writing = trio.CapacityLimiter(1)
        self._reading = trio.CapacityLimiter(1)

    async def commit(self, write: Write) -> None:
        await trio.to_thread.run_sync(self._log.commit, write, limiter=self._writing)

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        page = partial(self._log.read, key, after, max_events=max_events, max_bytes=max_bytes)
        return await trio.to_thread.run_sync(page, limiter=self._reading)

    async def topics(self) -> list[StoredTopic]:
        return await trio.to_thread.run_sync(self._log.topics, limiter=self._reading)

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        return await trio.to_thread.run_sync(self._log.records, kind, limiter=self._reading)

    async def record(self, kind: str, name: str) -> bytes | None:
        return await trio.to_thread.run_sync(self._log.record, kind, name, limiter=self._reading)
