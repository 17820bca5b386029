"""The store port over SQLite: its calls, each in a thread."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from actors.event import ChannelKey, Event
from actors.retention import Retention
from actors.store import Excess, StoredTopic, StoreError, Write
from engine.page_reads import PageReads, PageRequest
from engine.sqlite_log import SqliteLog

_LONG_PAGES = 8_192
"""32 MB."""


class SqliteStore:
    """An actors.store.RetainedStore. One thread at a time writes, another may read beside it.

    A call that is cancelled is finished first: whether a commit took place must not stay open.
    """

    def __init__(self, log: SqliteLog) -> None:
        self._log = log
        self.writing = trio.CapacityLimiter(1)
        """Of all who write to the file: one waits for another here, and not for SQLite's lock."""
        self._reading = trio.CapacityLimiter(1)
        self._pages = PageReads(log.read_all, self._reading)
        self._moving = trio.CapacityLimiter(1)
        self.commits = 0
        self.events = 0
        self.refusals = 0
        """Of commits. All since it was opened."""

    def check(self) -> None:
        """As engine.sqlite_log.SqliteLog.check, for who writes to the file by a connection of its own: in a thread, and
        with `writing`."""
        self._log.check()

    async def commit(self, write: Write) -> None:
        try:
            await trio.to_thread.run_sync(self._log.commit, write, limiter=self.writing)
        except StoreError:
            self.refusals += 1
            raise
        self.commits += 1
        self.events += len(write.events)

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        return await self._pages.read(PageRequest(key, after, max_events, max_bytes))

    async def topics(self) -> list[StoredTopic]:
        return await trio.to_thread.run_sync(self._log.topics, limiter=self._reading)

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        return await trio.to_thread.run_sync(self._log.records, kind, limiter=self._reading)

    async def record(self, kind: str, name: str) -> bytes | None:
        return await trio.to_thread.run_sync(self._log.record, kind, name, limiter=self._reading)

    async def excess(self, bounds: Mapping[str, Retention], now: int, after: int) -> Excess:
        return await trio.to_thread.run_sync(self._log.excess, bounds, now, after, limiter=self._reading)

    async def purge(self) -> bool:
        """A piece of what is to be deleted, between two commits: they take turns. Returns whether there may be more.

        Raises StoreError."""
        return await trio.to_thread.run_sync(self._log.purge, limiter=self.writing)

    async def checkpoint(self) -> None:
        """Moves the write-ahead log into the file beside the commits, so that none of them has to. Raises StoreError.

        Commits never wait for more than its end, and only where so many came meanwhile that it has grown long: it
        starts over only from a moment at which all of it is moved."""
        pages, left = await trio.to_thread.run_sync(self._log.checkpoint, limiter=self._moving)
        if left and pages > _LONG_PAGES:
            async with self._moving:
                await trio.to_thread.run_sync(self._log.checkpoint, limiter=self.writing)
