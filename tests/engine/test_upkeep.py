"""The store's file is kept in order in pieces, and commits take their turns between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from actors.event import ChannelKey, Event, Merge
from actors.store import Floor, StoreError, Write
from engine.sqlite_log import SqliteLog
from engine.sqlite_store import SqliteStore
from engine.upkeep import Upkeep, UpkeepOptions

TASK = ChannelKey("task", "task-1", "alice")


def events(first: int, last: int, size: int = 100) -> list[Event]:
    return [
        Event(TASK, "one", offset, offset, "word", b"x" * size, Merge.NEVER, "", 0) for offset in range(first, last + 1)
    ]


class Scripted:
    """A store that does as it is told, and writes down what it was asked for."""

    def __init__(self, pieces: int, *, piece_seconds: float = 0) -> None:
        self.commits = 0
        self.events = 0
        self.refusals = 0
        self.asked: list[tuple[float, str]] = []
        self.failures = 0
        self.broken = False
        """Whether the write-ahead log cannot be moved."""
        self._pieces = pieces
        self._piece_seconds = piece_seconds

    async def purge(self) -> bool:
        await trio.sleep(self._piece_seconds)
        if self.failures:
            self.failures -= 1
            raise StoreError("locked")
        self.asked.append((trio.current_time(), "purge"))
        self._pieces -= 1
        return self._pieces > 0

    async def checkpoint(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.broken:
            raise StoreError("full")
        self.asked.append((trio.current_time(), "checkpoint"))

    def times(self, what: str) -> list[float]:
        return [time for time, asked in self.asked if asked == what]


async def test_rests_after_each_piece_in_proportion(autojump_clock: trio.abc.Clock) -> None:
    store = Scripted(3, piece_seconds=0.1)
    await Upkeep(store, UpkeepOptions(rest=4)).look()
    assert store.times("purge") == pytest.approx([store.times("purge")[0] + 0.5 * count for count in range(3)])


async def test_checkpoints_come_after_so_many_commits_or_so_long(autojump_clock: trio.abc.Clock) -> None:
    store = Scripted(0)
    upkeep = Upkeep(store, UpkeepOptions(commits=10, idle_seconds=30))
    await upkeep.look()
    store.commits = 9
    await upkeep.look()
    assert store.times("checkpoint") == []
    store.commits = 10
    await upkeep.look()
    assert len(store.times("checkpoint")) == 1
    await trio.sleep(31)
    await upkeep.look()
    assert len(store.times("checkpoint")) == 1
    store.commits = 11
    await trio.sleep(31)
    await upkeep.look()
    assert len(store.times("checkpoint")) == 2


async def test_few_commits_of_very_many_events_do_not_wait_for_more(autojump_clock: trio.abc.Clock) -> None:
    store = Scripted(0)
    upkeep = Upkeep(store, UpkeepOptions(commits=10, events=1000))
    for commits, events in ((1, 999), (2, 1000), (3, 1999), (4, 2000)):
        store.commits, store.events = commits, events
        await upkeep.look()
    assert len(store.times("checkpoint")) == 2


async def test_a_checkpoint_makes_room_where_a_commit_was_refused_and_is_tried_until_it_succeeds() -> None:
    store = Scripted(0)
    upkeep = Upkeep(store)
    store.commits, store.refusals = 1, 1
    store.broken = True
    with pytest.raises(StoreError, match="full"):
        await upkeep.look()
    # The journal tries again, and is refused again.
    store.refusals, store.broken = 2, False
    await upkeep.look()
    await upkeep.look()
    assert len(store.times("checkpoint")) == 1


async def test_goes_on_where_the_store_fails_for_a_while(autojump_clock: trio.abc.Clock) -> None:
    store = Scripted(2)
    store.failures = 3
    async with trio.open_nursery() as nursery:
        await nursery.start(Upkeep(store).run)
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert len(store.times("purge")) >= 2


class Ordered(SqliteLog):
    """Writes down what its writer's thread does."""

    def __init__(self, path: Path) -> None:
        self.order: list[str] = []
        super().__init__(path)

    def commit(self, write: Write) -> None:
        super().commit(write)
        self.order.append("commit")

    def purge(self) -> bool:
        more = super().purge()
        self.order.append("purge")
        return more


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Ordered, SqliteStore]]:
    log = Ordered(path)
    yield log, SqliteStore(log)
    log.close()


async def test_a_commit_waits_for_one_piece_at_most(tmp_path: Path) -> None:
    async with opened(tmp_path / "callboard.db") as (log, store), trio.open_nursery() as nursery:
        await store.commit(Write(events=events(1, 20_000), floors=[Floor(TASK, 19_000)]))
        nursery.start_soon(Upkeep(store, UpkeepOptions(rest=0)).look)
        for offset in range(20_001, 20_101):
            await store.commit(Write(events=events(offset, offset)))
    pieces = "".join(name[0] for name in log.order)
    assert "p" in pieces
    # Whoever came while a piece was deleted is the next one.
    assert "pp" not in pieces[pieces.index("p") : pieces.rindex("c")]
    assert len(pieces) > 170


async def test_the_write_ahead_log_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    async with opened(path) as (log, store):
        for round_ in range(20):
            await store.commit(Write(events=events(1 + 100 * round_, 100 + 100 * round_, 10_000)))
            await store.checkpoint()
        # 20 MB went through it; of the commits none had to move it.
        assert path.with_name("callboard.db-wal").stat().st_size < 4 << 20
        assert log.checkpoint()[1] == 0


async def test_the_write_ahead_log_gives_back_what_only_a_rush_has_needed(tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    async with opened(path) as (_, store):
        await store.commit(Write(events=events(1, 4400, 10_000)))
        assert path.with_name("callboard.db-wal").stat().st_size > 40 << 20
        await store.checkpoint()
        await store.commit(Write(events=events(4401, 4401)))
        assert path.with_name("callboard.db-wal").stat().st_size <= 16 << 20
