"""What SQLite keeps of a topic is the newest within its bounds, and what goes is deleted in pieces."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Event, Merge
from actors.redaction import Drop
from actors.retention import EVENT_OVERHEAD, Retention
from actors.store import Compaction, Floor, Opened, Overfull, Rewrite, StoredTopic, StoreError, Write
from engine import sqlite_excess, sqlite_waste
from engine.database import MIGRATIONS, open_database
from engine.event_slot import event_slot
from engine.sqlite_log import SqliteLog
from tests.support.memory_store import beyond_bounds

TASK = ChannelKey("task", "task-1", "alice")
OTHER = ChannelKey("task", "task-2", "alice")
WIDE = Retention(events=10**9, bytes=10**12, seconds=10**9)
NOW = 1_000_000
MANY = 200_000

sizes_and_times = st.lists(st.tuples(st.integers(0, 3_000), st.integers(NOW - 20_000, NOW)), max_size=40)
bounds = st.builds(
    Retention, events=st.integers(1, 50), bytes=st.integers(1, 40_000), seconds=st.floats(0.001, 20, allow_nan=False)
)


def event(key: ChannelKey, offset: int, size: int = 2, timestamp: int = NOW) -> Event:
    return Event(key, "one", offset, offset, "word", b"x" * size, Merge.NEVER, "", timestamp)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(tmp_path / "callboard.db")
    yield log
    log.close()


def all_excess(log: SqliteLog, bound: Retention, now: int = NOW) -> list[Overfull]:
    found: list[Overfull] = []
    place: int | None = 0
    while place is not None:
        excess = log.excess({"task": bound}, now, place)
        found += excess.topics
        place = excess.next
    return found


def kept(log: SqliteLog, key: ChannelKey) -> list[int]:
    return [each.offset for each in log.read(key, 0, max_events=10**6, max_bytes=10**9)]


def rows(tmp_path: Path) -> int:
    db = sqlite3.connect(tmp_path / "callboard.db")
    (count,) = db.execute("SELECT count(*) FROM event").fetchone()
    db.close()
    return int(count)


@given(sizes_and_times, sizes_and_times, bounds)
def test_the_newest_within_the_bounds_are_kept(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[int, int]],
    later: list[tuple[int, int]],
    bound: Retention,
) -> None:
    path = tmp_path_factory.mktemp("retention")
    log = SqliteLog(path / "callboard.db")
    model: list[Event] = []
    tail = 0
    for number, batch in enumerate((before, later), 1):
        events = [event(TASK, tail + 1 + count, size, time) for count, (size, time) in enumerate(batch)]
        tail += len(events)
        log.commit(Write(events=[*events, event(OTHER, number)]))
        model += events
        gone = beyond_bounds(model, bound, NOW)
        excess = all_excess(log, bound)
        assert [each for each in excess if each.key == TASK] == (
            [Overfull(TASK, "one", gone[-1].offset)] if gone else []
        )
        log.commit(Write(floors=[Floor(each.key, each.offset) for each in excess if each.key == TASK]))
        model = model[len(gone) :]
        assert kept(log, TASK) == [each.offset for each in model]
        assert [each for each in all_excess(log, bound) if each.key == TASK] == []
    first = tail + 1 - len(model)
    [stored] = [each for each in log.topics() if each.key == TASK] if tail else [None]
    assert stored is None or (stored.first, stored.tail) == (first, tail)
    while log.purge():
        pass
    assert kept(log, TASK) == [each.offset for each in model]
    assert rows(path) == len(model) + len(kept(log, OTHER))
    log.close()


def test_a_restart_goes_on_with_the_sizes(tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    for first in (1, 6):
        log = SqliteLog(path)
        log.commit(Write(events=[event(TASK, offset, 800) for offset in range(first, first + 5)]))
        log.close()
    log = SqliteLog(path)
    assert all_excess(log, Retention(bytes=3 * (800 + EVENT_OVERHEAD))) == [Overfull(TASK, "one", 7)]
    log.close()


def test_what_is_compacted_is_not_charged_any_more(log: SqliteLog) -> None:
    """A discrete event, nine passing ones, and three discrete ones, of which the last came later."""
    passing = [Event(TASK, "one", offset, offset, "word", b"x" * 800, Merge.TEXT, "m", NOW) for offset in range(2, 11)]
    log.commit(Write(events=[event(TASK, 1, 800), *passing, event(TASK, 11, 800), event(TASK, 12, 800)]))
    log.commit(Write(compactions=[Compaction(TASK, 10)], events=[event(OTHER, 1)]))
    log.commit(Write(events=[event(TASK, 13, 800)]))
    assert kept(log, TASK) == [1, 11, 12, 13]
    for count, due in ((4, []), (3, [Overfull(TASK, "one", 1)]), (2, [Overfull(TASK, "one", 11)])):
        bound = Retention(bytes=count * (800 + EVENT_OVERHEAD))
        assert all_excess(log, bound) == due


def test_what_is_taken_back_is_not_charged_any_more(log: SqliteLog) -> None:
    log.commit(Write(events=[event(TASK, offset, 800) for offset in range(1, 5)]))
    log.commit(Write(rewrites=[Rewrite(TASK, Drop(lambda event: event.offset < 4))]))
    log.commit(Write(events=[event(TASK, 5, 800)]))
    small, large = len(b"{}") + EVENT_OVERHEAD, 800 + EVENT_OVERHEAD
    assert all_excess(log, Retention(bytes=3 * small + 2 * large)) == []
    assert all_excess(log, Retention(bytes=2 * small + 2 * large)) == [Overfull(TASK, "one", 1)]


def test_many_topics_are_looked_at_in_pieces(log: SqliteLog) -> None:
    keys = [ChannelKey("task", f"task-{number}", "alice") for number in range(2 * sqlite_excess.TOPICS + 1)]
    log.commit(Write(events=[event(key, offset) for key in keys for offset in (1, 2)]))
    first = log.excess({"task": Retention(events=1)}, NOW, 0)
    assert [each.key for each in first.topics] == keys[: sqlite_excess.TOPICS]
    assert [each.key for each in all_excess(log, Retention(events=1))] == keys


def test_what_is_too_old_is_found_in_pieces(log: SqliteLog) -> None:
    many = sqlite_excess.AGED + 10
    log.commit(Write(events=[event(TASK, offset, timestamp=0) for offset in range(1, many + 1)]))
    bound = Retention(events=10**6, bytes=10**9, seconds=1)
    assert all_excess(log, bound) == [Overfull(TASK, "one", sqlite_excess.AGED)]
    log.commit(Write(floors=[Floor(TASK, sqlite_excess.AGED)]))
    assert all_excess(log, bound) == [Overfull(TASK, "one", many)]


def fill(path: Path, events: int) -> None:
    """A topic of so many events, in one statement."""
    log = SqliteLog(path)
    log.commit(Write(opened=[Opened(TASK, "one")], events=[event(OTHER, 1)]))
    log.close()
    db = open_database(path)
    db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "INSERT INTO settled SELECT ? + i, ?, (i - 1) * ?, 0, '', 'word', x'7b7d' FROM n",
        (events, event_slot(1, 1) - 1, NOW, 2 + EVENT_OVERHEAD),
    )
    db.close()


class Counted:
    """Counts the rows that each transaction of a log changes."""

    def __init__(self, log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
        self.deleted: list[int] = []
        delete = sqlite_waste._delete

        def counted(db: sqlite3.Connection, topic: int, upto: int) -> None:
            before = db.total_changes
            delete(db, topic, upto)
            self.deleted.append(db.total_changes - before)

        monkeypatch.setattr(sqlite_waste, "_delete", counted)


@pytest.mark.parametrize("how", [Write(floors=[Floor(TASK, MANY)]), Write(dropped=[TASK])])
def test_many_events_go_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Write) -> None:
    path = tmp_path / "callboard.db"
    fill(path, MANY)
    full = path.stat().st_size
    log = SqliteLog(path)
    counted = Counted(log, monkeypatch)
    log.commit(how)
    # Nothing is deleted by the commit itself, and nothing of it is to be read any more.
    assert rows(tmp_path) == MANY + 1
    assert kept(log, TASK) == []
    pieces, others = 0, 1
    while log.purge():
        pieces += 1
        if pieces % 50 == 0:
            others += 1
            log.commit(Write(events=[event(OTHER, others)]))
    # A row of `waste` goes with the last one.
    assert max(counted.deleted) <= sqlite_waste.PIECE_EVENTS + 1
    assert sum(counted.deleted) == MANY + 1
    assert kept(log, OTHER) == [*range(1, others + 1)]
    log.checkpoint()
    log.close()
    assert path.stat().st_size < full
    again = SqliteLog(path)
    left = {each.key: each for each in again.topics()}
    assert left.get(TASK) == (StoredTopic(TASK, "one", MANY + 1, MANY, "") if how.floors else None)
    again.close()


def test_large_events_go_few_at_a_time(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    log.commit(Write(events=[event(TASK, offset, sqlite_waste.PIECE_BYTES // 2) for offset in range(1, 11)]))
    counted = Counted(log, monkeypatch)
    log.commit(Write(dropped=[TASK]))
    while log.purge():
        pass
    assert max(counted.deleted) <= 3
    assert sum(counted.deleted) == 10 + 1


def test_a_topic_begins_anew_while_its_former_events_wait_to_be_deleted(log: SqliteLog, tmp_path: Path) -> None:
    log.commit(Write(events=[event(TASK, offset) for offset in range(1, 1_001)]))
    log.commit(Write(dropped=[TASK]))
    log.commit(Write(events=[event(TASK, 1), event(TASK, 2)]))
    assert kept(log, TASK) == [1, 2]
    while log.purge():
        pass
    assert kept(log, TASK) == [1, 2]
    assert rows(tmp_path) == 2


def test_a_file_at_its_limit_takes_more_once_the_retention_has_made_room(log: SqliteLog) -> None:
    log.commit(Write(events=[event(TASK, offset, 10_000) for offset in range(1, 101)]))
    log.limit_bytes(1)
    with pytest.raises(StoreError, match="full"):
        log.commit(Write(events=[event(TASK, offset, 10_000) for offset in range(101, 151)]))
    log.commit(Write(floors=[Floor(TASK, 90)]))
    while log.purge():
        pass
    log.commit(Write(events=[event(TASK, offset, 10_000) for offset in range(101, 151)]))
    assert kept(log, TASK) == [*range(91, 151)]


def test_a_file_of_keys_alone_learns_to_shrink(tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("PRAGMA journal_mode = WAL")
    for statement in MIGRATIONS[0].split(";"):
        old.execute(statement)
    old.execute("INSERT INTO api_key VALUES ('k1', x'00', 'alice', '', 1.0, NULL, NULL)")
    old.execute("PRAGMA user_version = 1")
    old.close()
    db = open_database(path)
    assert db.execute("PRAGMA auto_vacuum").fetchone() == (2,)
    assert db.execute("SELECT id FROM api_key").fetchall() == [("k1",)]
    db.close()


def test_a_locked_database_refuses_a_piece_and_goes_on_later(tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    log = SqliteLog(path, wait_seconds=0)
    log.commit(Write(events=[event(TASK, 1), event(TASK, 2)], floors=[Floor(TASK, 1)]))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        log.purge()
    other.execute("ROLLBACK")
    other.close()
    assert log.purge()
    assert rows(tmp_path) == 1
    log.close()
