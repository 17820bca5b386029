"""The database that is opened is the one that was left, whole and no other engine's, or it is noticed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.event import ChannelKey
from actors.redaction import Drop
from actors.store import Rewrite, StoredTopic, StoreError, Write
from engine.sqlite_log import SqliteLog
from tests.support.stored_events import SESSION, TASK, event, page

WASTE = ChannelKey("task", "task-0", "alice")


def test_an_engine_that_was_killed_keeps_its_epochs(log: SqliteLog, path: Path, tmp_path: Path) -> None:
    log.commit(Write(events=[event(TASK, 1)]))
    # Nothing is closed: the files are as a process leaves them that is killed.
    kept = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    log.close()
    for name, content in kept.items():
        with (tmp_path / name).open("r+b" if (tmp_path / name).exists() else "wb") as file:
            file.truncate()
            file.write(content)
    again = SqliteLog(path)
    assert again.is_whole
    assert again.topics() == [StoredTopic(TASK, "one", 1, 1, "word")]
    again.close()


def test_a_database_put_back_from_a_copy_gets_new_epochs(path: Path, tmp_path: Path) -> None:
    log = SqliteLog(path)
    log.commit(Write(events=[event(TASK, 1)]))
    log.close()
    copy = path.read_bytes()
    log = SqliteLog(path)
    log.commit(Write(events=[event(TASK, 2)]))
    log.close()
    # Into the same file, so that only the number of commits tells.
    with path.open("r+b") as file:
        file.truncate()
        file.write(copy)
    again = SqliteLog(path)
    assert not again.is_whole
    [topic] = again.topics()
    assert topic.epoch != "one"
    assert topic.tail == 1
    again.close()
    settled = SqliteLog(path)
    assert settled.is_whole
    assert settled.topics() == [topic]
    settled.close()


def test_a_database_that_was_moved_with_its_mark_gets_new_epochs(path: Path, tmp_path: Path) -> None:
    log = SqliteLog(path)
    log.commit(Write(events=[event(TASK, 1)]))
    log.close()
    elsewhere = tmp_path / "copy"
    elsewhere.mkdir()
    for file in (path, path.with_name("callboard.db-mark")):
        shutil.copy(file, elsewhere)
    again = SqliteLog(elsewhere / "callboard.db")
    assert not again.is_whole
    assert again.topics()[0].epoch != "one"
    again.close()


def test_a_write_ahead_log_that_is_lost_is_noticed(path: Path) -> None:
    log = SqliteLog(path)
    log.commit(Write(events=[event(TASK, 1)]))
    log.close()
    log = SqliteLog(path)
    log.commit(Write(events=[event(TASK, 2)]))
    kept = path.read_bytes()
    log.close()
    with path.open("r+b") as file:
        file.truncate()
        file.write(kept)
    again = SqliteLog(path)
    assert not again.is_whole
    again.close()


def test_two_engines_do_not_share_a_database(log: SqliteLog, path: Path) -> None:
    with pytest.raises(BlockingIOError, match="in use"):
        SqliteLog(path)


@pytest.mark.parametrize(
    "find",
    [
        lambda log: log.commit(Write(rewrites=[Rewrite(TASK, Drop(lambda event: False))])),
        lambda log: [page(log, TASK, after) for after in range(0, 2000, 100)],
        lambda log: [log.purge() for _ in range(20)],
    ],
    ids=["commit", "read", "purge"],
)
def test_a_damaged_database_is_not_added_to_before_it_is_sound_again(
    log: SqliteLog, path: Path, find: Callable[[SqliteLog], object]
) -> None:
    for key in (TASK, WASTE):
        log.commit(Write(events=[event(key, offset, b"x" * 500) for offset in range(1, 2001)]))
    log.commit(Write(dropped=[WASTE]))
    log.close()
    kept = path.read_bytes()
    again = SqliteLog(path)
    # All but the first pages: the header is what it was.
    with path.open("r+b") as file:
        file.seek(len(kept) // 4)
        file.write(b"garbage!" * (len(kept) // 16))
    with pytest.raises(StoreError, match="malformed"):
        find(again)
    with pytest.raises(StoreError, match="damaged"):
        again.commit(Write(events=[event(SESSION, 1)]))
    with path.open("r+b") as file:
        file.write(kept)
    again.commit(Write(events=[event(SESSION, 1)]))
    assert page(again, SESSION) == [event(SESSION, 1)]
    again.close()


def test_a_file_that_was_put_in_the_place_of_ours_is_not_ours(log: SqliteLog, path: Path) -> None:
    log.commit(Write(events=[event(TASK, 1)]))
    ours = path.rename(path.with_name("ours"))
    path.write_bytes(ours.read_bytes())
    with pytest.raises(StoreError, match="is not the file that was opened"):
        log.commit(Write(events=[event(TASK, 2)]))
    ours.rename(path)
    log.commit(Write(events=[event(TASK, 2)]))
    assert page(log, TASK) == [event(TASK, 1), event(TASK, 2)]


def test_a_link_to_the_file_is_the_file(log: SqliteLog, path: Path, tmp_path: Path) -> None:
    log.commit(Write(events=[event(TASK, 1)]))
    link = tmp_path / "elsewhere" / "linked.db"
    link.parent.mkdir()
    link.symlink_to(path)
    with pytest.raises(BlockingIOError, match="in use"):
        SqliteLog(link)
    log.close()
    again = SqliteLog(link)
    assert again.is_whole
    again.commit(Write(events=[event(TASK, 2)]))
    assert page(again, TASK) == [event(TASK, 1), event(TASK, 2)]
    again.close()
