"""Topic and offset are one number in SQLite: topics never meet in it, and what does not fit is refused."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Event, Merge
from actors.redaction import Drop
from actors.retention import Retention
from actors.store import Compaction, Floor, Rewrite, StoreError, Write
from engine import recent_events
from engine.event_slot import MAX_OFFSET, MAX_TOPIC, OFFSET_OF_SLOT, TOPIC_OF_SLOT, event_slot, event_slots
from engine.sqlite_log import SqliteLog
from engine.store_figures import store_figures

ONE, TWO = (ChannelKey("app", name) for name in ("one", "two"))
topics = st.integers(1, MAX_TOPIC) | st.sampled_from([1, 2, 3, MAX_TOPIC])
offsets = st.integers(1, MAX_OFFSET) | st.sampled_from([1, 2, 3, MAX_OFFSET])
limits = st.integers(-3, (1 << 63) - 1) | st.sampled_from([0, MAX_OFFSET, MAX_OFFSET + 1])


def event(key: ChannelKey, offset: int, body: bytes = b"{}", merge: Merge = Merge.NEVER) -> Event:
    return Event(key, "epoch", offset, offset, "word", body, merge, "", 1)


def read(log: SqliteLog, key: ChannelKey, after: int) -> list[int]:
    return [each.offset for each in log.read(key, after, max_events=100, max_bytes=10**6)]


@given(st.tuples(topics, offsets), st.tuples(topics, offsets))
def test_slots_are_in_the_order_of_topics_and_then_of_offsets(one: tuple[int, int], two: tuple[int, int]) -> None:
    assert (event_slot(*one) < event_slot(*two)) == (one < two)


@given(topics, offsets, topics, limits, limits)
def test_a_run_holds_what_is_between_two_offsets_of_its_topic(
    topic: int, offset: int, other: int, after: int, upto: int
) -> None:
    low, high = event_slots(topic, after, upto)
    assert (low < event_slot(other, offset) <= high) == (other == topic and after < offset <= upto)


@given(topics, offsets)
def test_sqlite_takes_a_slot_apart(topic: int, offset: int) -> None:
    db = sqlite3.connect(":memory:")
    columns = f"SELECT {TOPIC_OF_SLOT}, {OFFSET_OF_SLOT} FROM (SELECT ? AS slot)"  # noqa: S608  # constants
    assert db.execute(columns, (event_slot(topic, offset),)).fetchone() == (topic, offset)
    db.close()


def test_a_reader_beyond_all_offsets_finds_nothing_of_the_next_topic(log: SqliteLog) -> None:
    log.commit(Write(events=[event(key, offset) for key in (ONE, TWO) for offset in (1, 2)]))
    for after in (2, MAX_OFFSET - 1, MAX_OFFSET, MAX_OFFSET + 1, (1 << 63) - 1):
        assert read(log, ONE, after) == []
    assert read(log, TWO, -1) == [1, 2]


@pytest.mark.parametrize("offset", [0, MAX_OFFSET + 1])
def test_an_offset_beyond_the_bounds_is_refused(log: SqliteLog, offset: int) -> None:
    with pytest.raises(StoreError, match=f"offsets from 1 to {MAX_OFFSET}, and none that is {offset}"):
        log.commit(Write(events=[event(ONE, 1), event(TWO, offset)]))
    assert log.topics() == []
    log.commit(Write(events=[event(ONE, MAX_OFFSET), event(TWO, 1)]))
    assert read(log, ONE, 0) == [MAX_OFFSET]
    assert [each.tail for each in log.topics()] == [MAX_OFFSET, 1]


def test_the_last_topic_is_taken_and_the_one_after_it_is_refused(path: Path) -> None:
    SqliteLog(path).close()
    db = sqlite3.connect(path)
    with db:
        db.execute("INSERT INTO sqlite_sequence VALUES ('topic', ?)", (MAX_TOPIC - 1,))
    db.close()
    log = SqliteLog(path)
    log.commit(Write(events=[event(ONE, 1), event(ONE, MAX_OFFSET - 1)]))
    with pytest.raises(StoreError, match=f"has had {MAX_TOPIC} topics"):
        log.commit(Write(events=[event(ONE, MAX_OFFSET), event(TWO, 1)]))
    assert read(log, ONE, 0) == [1, MAX_OFFSET - 1]
    log.commit(Write(events=[event(ONE, MAX_OFFSET)]))
    assert read(log, ONE, 0) == [1, MAX_OFFSET - 1, MAX_OFFSET]
    assert [(each.key, each.first, each.tail) for each in log.topics()] == [(ONE, 1, MAX_OFFSET)]
    log.close()


def test_events_of_a_kilobyte_take_little_more_room_than_they_are_large(log: SqliteLog, path: Path) -> None:
    log.commit(Write(events=[event(ONE, offset, b"x" * 1_200) for offset in range(1, 1_001)]))
    log.checkpoint()
    assert path.stat().st_size < 1_000 * 1_200 * 1.3


def test_no_statement_reads_all_events(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked of SQLite itself, about every statement that names a table of events or the view of them."""
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", 8)
    monkeypatch.setattr(recent_events, "_STEP_EVENTS", 1)
    statements: set[str] = set()
    connect = sqlite3.connect

    def traced(*args: object, **options: object) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]  # passed on
        db.set_trace_callback(statements.add)
        return db

    # Made before: what brings an older file up to date reads all there is, once.
    SqliteLog(path).close()
    monkeypatch.setattr(sqlite3, "connect", traced)
    log = SqliteLog(path)
    for offset in range(1, 20):
        log.commit(Write(events=[event(key, offset, merge=Merge.TEXT) for key in (ONE, TWO)]))
    log.close()
    log = SqliteLog(path)
    log.commit(Write(rewrites=[Rewrite(ONE, Drop(lambda event: False))], floors=[Floor(ONE, 2)]))
    log.commit(Write(compactions=[Compaction(TWO, 5)]))
    log.excess({"app": Retention(events=9, bytes=1_000, seconds=1)}, 10_000, 0)
    read(log, ONE, 3)
    log.topics()
    log.commit(Write(dropped=[TWO]))
    while log.purge():
        pass
    log.close()
    store_figures(path)
    monkeypatch.undo()
    db = sqlite3.connect(path)
    all_events = re.compile("SCAN (event|settled|recent)|TEMP B-TREE FOR ORDER BY")
    verbs = set()
    for statement in statements:
        verb = statement.split()[0]
        if any(name in statement for name in ("event", "settled", "recent")):
            verbs.add(verb)
            steps = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert not [step for step in steps if all_events.search(step)], (statement, steps)
    assert verbs == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    db.close()
