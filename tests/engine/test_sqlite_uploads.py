"""Files in SQLite: they outlive the process, within the same bounds as in memory."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import trio

from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Event, Merge
from actors.store import Write
from actors.uploads import UploadsOptions
from engine.sqlite_log import SqliteLog
from engine.sqlite_store import SqliteStore
from engine.sqlite_uploads import SqliteUploads
from tests.support.upload_checks import (
    FILE_BYTES,
    OWNER_BYTES,
    TOTAL_BYTES,
    check_bounds,
    check_forgetting,
    check_owners,
)

SMALL = UploadsOptions(file_bytes=FILE_BYTES, owner_bytes=OWNER_BYTES, total_bytes=TOTAL_BYTES)


@contextmanager
def uploads(path: Path, options: UploadsOptions | None = None) -> Iterator[SqliteUploads]:
    store = SqliteUploads(path / "callboard.db", options or UploadsOptions(), trio.CapacityLimiter(1))
    try:
        yield store
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(5))
async def test_what_is_kept_stays_within_its_bounds_and_the_newest_is_there(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    files = [
        (chance.choice(["ann", "bob", "cyd"]), chance.choice(["", "n"]), chance.randbytes(chance.randint(0, 12)))
        for _ in range(30)
    ]
    with uploads(tmp_path, SMALL) as store:
        await check_bounds(store, files)


async def test_a_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    with uploads(tmp_path) as store:
        await check_owners(store)


async def test_what_is_forgotten_is_of_one_owner_and_scope(tmp_path: Path) -> None:
    with uploads(tmp_path) as store:
        await check_forgetting(store)


async def test_a_file_is_there_for_the_next_process(tmp_path: Path) -> None:
    data = bytes(range(256)) * 4096
    with uploads(tmp_path) as store:
        brought = await store.put("ann", "s", "all.bin", "application/octet-stream", data)
    with uploads(tmp_path) as store:
        assert await store.find("ann", "s", brought.key) == brought


async def test_files_and_events_go_to_one_file_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    log = SqliteLog(path, wait_seconds=0.0)
    store = SqliteStore(log)
    files = SqliteUploads(path, UploadsOptions(), store.writing)
    key = ChannelKey("task", "one", "ann")

    async def publish() -> None:
        for offset in range(1, 51):
            event = Event(key, "e", offset, offset, "fact", b"1", Merge.NEVER, "", 0)
            await store.commit(Write(events=[event]))

    async def bring(name: str) -> None:
        for number in range(10):
            await files.put("ann", "s", f"{name}{number}", "x/y", bytes(100_000))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(publish)
        nursery.start_soon(bring, "a")
        nursery.start_soon(bring, "b")
    assert [topic.tail for topic in await store.topics()] == [50]
    files.close()
    log.close()


async def test_a_file_that_cannot_be_kept_is_refused(tmp_path: Path) -> None:
    with uploads(tmp_path) as store, closing(sqlite3.connect(tmp_path / "callboard.db")) as other:
        other.execute("DROP TABLE upload")
        with pytest.raises(CallboardError) as refused:
            await store.put("ann", "s", "", "x/y", b"bytes")
        assert refused.value.code is ErrorCode.UNAVAILABLE


async def test_a_file_that_has_no_room_is_refused_with_the_reason_and_room_is_all_that_it_takes(tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    store = SqliteUploads(path, UploadsOptions(), trio.CapacityLimiter(1), max_bytes=500_000)
    first = await store.put("ann", "s", "first", "x/y", bytes(200_000))
    for _ in range(2):
        with pytest.raises(CallboardError, match="full") as refused:
            await store.put("ann", "s", "second", "x/y", bytes(400_000))
        assert refused.value.code is ErrorCode.UNAVAILABLE
    assert path.stat().st_size <= 500_000
    await store.forget("ann", "s", first.key)
    second = await store.put("ann", "s", "second", "x/y", bytes(400_000))
    assert await store.find("ann", "s", second.key) == second
    store.close()


async def test_nothing_is_brought_into_a_file_that_is_not_there_any_more(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    log = SqliteLog(folder / "callboard.db")
    store = SqliteStore(log)
    files = SqliteUploads(folder / "callboard.db", UploadsOptions(), store.writing, check=store.check)
    first = await files.put("ann", "s", "first", "x/y", b"bytes")
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(CallboardError, match="No such file") as refused:
        await files.put("ann", "s", "second", "x/y", b"bytes")
    assert refused.value.code is ErrorCode.UNAVAILABLE
    with pytest.raises(CallboardError, match="No such file"):
        await files.forget("ann", "s", first.key)
    (tmp_path / "elsewhere").rename(folder)
    second = await files.put("ann", "s", "second", "x/y", b"bytes")
    assert [await files.find("ann", "s", each.key) for each in (first, second)] == [first, second]
    files.close()
    log.close()
