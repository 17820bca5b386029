"""The actor that keeps the store's file in order: it deletes, gives room back and empties the write-ahead log."""

from __future__ import annotations

from typing import Protocol

import msgspec
import trio

from actors.store import StoreError


class Kept(Protocol):
    """What engine.sqlite_store.SqliteStore offers for it."""

    commits: int
    events: int
    refusals: int

    async def purge(self) -> bool: ...

    async def checkpoint(self) -> None: ...


class UpkeepOptions(msgspec.Struct, frozen=True):
    """`every_seconds`: how often it looks. `rest`: how long it rests after each piece, in times of what that took, so
    that the commits have the disk nearly to themselves. `commits`, `events`: after so many of either the write-ahead
    log is emptied, or `idle_seconds` after the last time, and whenever a commit was refused: what is moved out of the
    log is room in it."""

    every_seconds: float = 1.0
    rest: float = 4.0
    commits: int = 256
    events: int = 8_192
    idle_seconds: float = 30.0


class Upkeep:
    """All of it in pieces, between which commits take their turns."""

    def __init__(self, store: Kept, options: UpkeepOptions | None = None) -> None:
        self._store = store
        self._options = options or UpkeepOptions()
        self._moved = store.commits
        self._moved_events = store.events
        """How many there were at the last checkpoint."""
        self._moved_at = trio.current_time()
        self._refusals = store.refusals
        """Those that were known then."""

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. While the store fails it tries again at each look."""
        task_status.started()
        while True:
            await trio.sleep(self._options.every_seconds)
            try:
                await self.look()
            except StoreError:
                # The journal says so where it matters: a commit tells the same.
                continue

    async def look(self) -> None:
        """Does what there is to do. Raises StoreError."""
        await self._empty_log()
        more = True
        while more:
            began = trio.current_time()
            more = await self._store.purge()
            await trio.sleep(self._options.rest * (trio.current_time() - began))
            await self._empty_log()

    async def _empty_log(self) -> None:
        if not self._is_due():
            return
        store = self._store
        commits, events = store.commits, store.events
        self._moved_at, self._refusals = trio.current_time(), store.refusals
        if commits != self._moved:
            await store.checkpoint()
            self._moved, self._moved_events = commits, events

    def _is_due(self) -> bool:
        store, options = self._store, self._options
        return (
            store.commits - self._moved >= options.commits
            or store.events - self._moved_events >= options.events
            or store.refusals != self._refusals
            or trio.current_time() >= self._moved_at + options.idle_seconds
        )
