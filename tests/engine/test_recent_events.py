"""Wherever an event lies on the disk, it is read as if there were one table; what comes of a fall is the same."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from actors.event import Merge
from actors.redaction import Drop
from actors.retention import EVENT_OVERHEAD
from actors.store import Compaction, Floor, Rewrite, StoredTopic, StoreError, Write
from engine import recent_events
from engine.database import MIGRATIONS
from engine.event_slot import event_slot
from engine.recent_events import EVENT_TABLES
from engine.sqlite_log import SqliteLog
from engine.store_figures import store_figures
from tests.support.event_tables import GENERATION, KEYS, counts, event, read_all, say_more, view


@pytest.fixture(autouse=True)
def small_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", GENERATION)
    monkeypatch.setattr(recent_events, "_STEP_EVENTS", 1)


def test_who_reads_while_a_commit_moves_finds_what_was_there_before_it(log: SqliteLog) -> None:
    """At the end of each transaction, before it is committed."""
    said = say_more(log, 0, 1)
    seen: list[object] = []
    log._db.set_trace_callback(lambda statement: seen.append(view(log)) if statement == "COMMIT" else None)
    writes = [
        *(Write(events=[event(key, offset) for key in KEYS]) for offset in range(said + 1, 40)),
        Write(events=[event(KEYS[0], 40, recent_events._LARGE_BYTES)]),
        Write(rewrites=[Rewrite(KEYS[1], Drop(lambda each: each.offset % 2 == 0))]),
        Write(compactions=[Compaction(KEYS[2], 38)]),
        Write(floors=[Floor(KEYS[0], 39), Floor(KEYS[1], 39)]),
        Write(dropped=[KEYS[3]]),
    ]
    for write in writes:
        before = view(log)
        log.commit(write)
        assert seen.pop() == before
        assert view(log) != before or write.compactions


def test_who_reads_beside_the_writer_finds_no_hole(log: SqliteLog) -> None:
    """Each event is moved while the reader reads, and dropped where it was."""
    writes = 400

    def write() -> None:
        for number in range(writes):
            log.commit(Write(events=[event(key, 3 * number + each) for key in KEYS for each in (1, 2, 3)]))

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while writer.is_alive():
        offsets = [each.offset for each in log.read(KEYS[0], seen, max_events=64, max_bytes=10**6)]
        assert offsets == [*range(seen + 1, seen + 1 + len(offsets))]
        # A part is read again: by then it lies elsewhere.
        seen += 32 if len(offsets) == 64 else 0
    writer.join()
    assert read_all(log, KEYS[0], 100) == [event(KEYS[0], offset) for offset in range(1, 3 * writes + 1)]


def test_what_comes_is_moved_and_dropped_in_step_with_what_comes(log: SqliteLog, path: Path) -> None:
    said, most = 0, 0
    for _ in range(250):
        said = say_more(log, said, 1)
        settled, recent, both = counts(path)
        assert settled + recent - both == len(KEYS) * said
        most = max(most, recent)
    assert GENERATION < most <= 2 * GENERATION + len(KEYS)


def test_a_generation_is_as_many_bytes_or_events(log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", 10_000)
    monkeypatch.setattr(recent_events, "GENERATION_BYTES", 2 * len(KEYS) * 3)
    said = say_more(log, 0, 2)
    assert counts(path)[0] == 0
    say_more(log, said, 1)
    assert counts(path)[0] > 0


def test_small_commits_move_together(log: SqliteLog, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", 64)
    monkeypatch.setattr(recent_events, "_STEP_EVENTS", 3 * len(KEYS))
    said = say_more(log, 0, 64 // len(KEYS))
    settled = [counts(path)[0]]
    for _ in range(6):
        said = say_more(log, said, 1)
        settled.append(counts(path)[0])
    assert settled == [36, 36, 36, 64, 64, 64, 64]


def test_a_quiet_log_is_moved_to_the_end_of_its_generation(log: SqliteLog, path: Path) -> None:
    say_more(log, 0, GENERATION // len(KEYS) + 1)
    assert counts(path)[2] > 0
    while log.purge():
        pass
    assert counts(path) == (GENERATION, len(KEYS), 0)


def test_a_generation_is_counted_over_restarts(path: Path) -> None:
    said = 0
    for _ in range(GENERATION // len(KEYS)):
        log = SqliteLog(path)
        assert counts(path)[0] == 0
        said = say_more(log, said, 1)
        log.close()
    assert counts(path)[0] > 0


def test_what_is_given_up_is_noted_however_much_of_it_is_recent(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk it is what makes room: it must take next to none."""
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", 10_000)
    say_more(log, 0, 200)
    for write in (Write(floors=[Floor(KEYS[0], 190)]), Write(dropped=[KEYS[1]])):
        before = log._db.total_changes
        log.commit(write)
        # The topic, its waste, and the count of the commits.
        assert log._db.total_changes - before == 3


@pytest.mark.parametrize("commits", range(1, 16))
def test_what_is_taken_back_is_nowhere_in_the_file(log: SqliteLog, path: Path, commits: int) -> None:
    said = say_more(log, 0, commits)
    log.commit(Write(rewrites=[Rewrite(key, Drop(lambda _: True)) for key in KEYS[:2]]))
    log.commit(Write(events=[event(key, said + 1, merge=Merge.TEXT) for key in KEYS]))
    log.commit(Write(compactions=[Compaction(KEYS[0], said + 1)]))
    with closing(sqlite3.connect(path)) as db:
        for table in EVENT_TABLES:
            found = f"SELECT topic, offset, body FROM {table} WHERE topic <= 2 ORDER BY slot"  # noqa: S608  # a constant
            for topic, offset, body in db.execute(found):
                assert body == b"xx" if (topic, offset) == (2, said + 1) else body != b"xx"


@pytest.mark.parametrize("commits", range(1, 16))
@pytest.mark.parametrize("floor", [1, 3, 6])
def test_a_topic_is_cut_short_while_it_is_moved(log: SqliteLog, commits: int, floor: int) -> None:
    log.commit(Write(events=[event(key, offset) for key in KEYS for offset in range(1, 7)]))
    for offset in range(7, 7 + commits):
        log.commit(Write(events=[event(KEYS[3], offset)]))
    log.commit(Write(floors=[Floor(key, floor) for key in KEYS]))
    for offset in range(7 + commits, 60):
        log.commit(Write(events=[event(KEYS[3], offset)]))
    for key, tail in zip(KEYS, (6, 6, 6, 59), strict=True):
        assert [each.offset for each in read_all(log, key)] == [*range(floor + 1, tail + 1)]


def test_what_fills_a_page_is_not_written_twice(log: SqliteLog, path: Path) -> None:
    """An import of very many events leaves none that are yet to be moved."""
    log.commit(Write(events=[event(KEYS[0], 1), event(KEYS[1], 1)]))
    many = [event(key, offset) for key in KEYS[2:] for offset in range(1, 101)]
    log.commit(Write(events=[*many, event(KEYS[0], 2)]))
    with closing(sqlite3.connect(path)) as db:
        slots = db.execute("SELECT slot FROM recent ORDER BY slot").fetchall()
    assert slots == [(event_slot(1, 1),), (event_slot(1, 2),), (event_slot(2, 1),)]
    assert [each.offset for each in read_all(log, KEYS[2])] == [*range(1, 101)]


def test_what_is_large_does_not_overtake_what_is_recent(log: SqliteLog, path: Path) -> None:
    log.commit(Write(events=[event(KEYS[0], 1)]))
    log.commit(Write(events=[event(KEYS[0], 2, recent_events._LARGE_BYTES)]))
    assert counts(path) == (0, 2, 0)
    assert [each.offset for each in read_all(log, KEYS[0])] == [1, 2]
    assert log.topics() == [StoredTopic(KEYS[0], "one", 1, 2, "word")]


def test_a_row_is_not_taken_for_one_that_is_moved(log: SqliteLog, path: Path) -> None:
    """All rows with the highest ids go while the generation is moved: what comes is none of it."""
    said = say_more(log, 0, GENERATION // len(KEYS))
    assert counts(path) == (12, 16, 12)
    log.commit(Write(dropped=KEYS[1:]))
    for _ in KEYS[1:]:
        log.purge()
    assert counts(path) == (4, 4, 4)
    log.close()
    again = SqliteLog(path)
    again.commit(Write(events=[event(KEYS[0], said + 1)]))
    assert [each.offset for each in read_all(again, KEYS[0])] == [*range(1, said + 2)]
    again.close()


def test_a_refusal_for_another_reason_does_not_keep_what_is_recent(log: SqliteLog, path: Path) -> None:
    for said in range(1, 200):
        say_more(log, said - 1, 1)
        with pytest.raises(StoreError, match="not before"):
            log.commit(Write(events=[event(KEYS[0], said)]))
    assert counts(path)[1] <= 2 * GENERATION + len(KEYS)


def test_what_comes_is_kept_where_nothing_can_be_moved(log: SqliteLog, path: Path) -> None:
    """As on a disk that has room for little: one commit is refused, and those that follow have the room."""

    def refuse(action: int, table: str | None, *_: str | None) -> int:
        moves = action == sqlite3.SQLITE_INSERT and table == "settled"
        return sqlite3.SQLITE_DENY if moves else sqlite3.SQLITE_OK

    log._db.set_authorizer(refuse)
    said, refused = 0, []
    for _ in range(5 * GENERATION // len(KEYS)):
        try:
            said = say_more(log, said, 1)
        except StoreError:
            refused.append(said)
            said = say_more(log, said, 1)
    assert refused == [each * GENERATION // len(KEYS) - 1 for each in range(1, 6)]
    assert counts(path) == (0, len(KEYS) * said, 0)
    log._db.set_authorizer(None)
    said = say_more(log, said, 10 * GENERATION)
    assert counts(path)[1] <= 2 * GENERATION + len(KEYS)
    for key in KEYS:
        assert [each.offset for each in read_all(log, key, 1_000)] == [*range(1, said + 1)]


def test_what_is_recent_is_in_the_figures(log: SqliteLog, path: Path) -> None:
    """A command reads the file beside the engine."""
    log.commit(Write(events=[event(KEYS[0], offset) for offset in range(1, 6)]))
    (kind,) = store_figures(path).kinds
    assert (kind.channel, kind.topics, kind.events, kind.oldest) == ("task", 1, 5, 7)


@pytest.mark.parametrize("version", [3, 4])
def test_an_older_file_is_taken_over_with_its_events(path: Path, version: int) -> None:
    """Of version 4: one is moved, one is both moved and not yet gone, one is yet to be moved."""
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        for statement in ";".join(MIGRATIONS[:version]).split(";"):
            old.execute(statement)
        old.execute("INSERT INTO topic VALUES (1, 'task', 'task-0', 'alice', 'one', 0, 0)")
        size = 2 + EVENT_OVERHEAD
        rows = [(event_slot(1, each), 7, (each - 1) * size, 0, "m", "word", b"xx") for each in (1, 2, 3)]
        moved = rows if version == 3 else rows[:2]
        old.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", moved)
        if version == 4:
            old.executemany("INSERT INTO recent VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", rows[1:])
        old.execute(f"PRAGMA user_version = {version}")
    log = SqliteLog(path)
    assert log.topics() == [StoredTopic(KEYS[0], "one", 1, 3, "word")]
    say_more(log, 3, 2 * GENERATION)
    assert read_all(log, KEYS[0]) == [event(KEYS[0], offset) for offset in range(1, 4 + 2 * GENERATION)]
    log.close()
