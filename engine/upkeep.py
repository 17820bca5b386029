"""The actor that keeps the store's file in order: it deletes, gives room back and empties the write-ahead log."""

from __future__ import annotations

from typing import Protocol

import msgspec
import trio

from actors.store import StoreError


class Kept(Protocol):
    """What engine.sqlite_store.SqliteStore offers for it."""

    commits: int

    async def purge(self) -> bool: ...

    async def checkpoint(self) -> None: ...


class UpkeepOptions(msgspec.Struct, frozen=True):
    """`every_seconds`: how often it looks. `rest`: how long it rests after each piece, in times of what that took, so
    that the commits have the disk nearly to themselves. `commits`: after so many the write-ahead log is emptied, or
    `idle_seconds` after the last time."""

    every_seconds: float = 1.0
    rest: float = 4.0
    commits: int = 256
    idle_seconds: float = 30.0


class Upkeep:
    """All of it in pieces, between which commits take their turns."""

    def __init__(self, store: Kept, options: UpkeepOptions | None = None) -> None:
        self._store = store
        self._options = options or UpkeepOptions()
        self._moved = store.commits
        """The commits at the last checkpoint."""
        self._moved_at = trio.current_time()

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
        new = self._store.commits - self._moved
        if new < self._options.commits and trio.current_time() < self._moved_at + self._options.idle_seconds:
            return
        self._moved_at = trio.current_time()
        if new:
            self._moved += new
            await self._store.checkpoint()
