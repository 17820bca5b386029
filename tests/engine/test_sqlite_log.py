"""Logs and records in SQLite: what is committed is there afterwards, and nothing else is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest

from actors.event import ChannelKey, Event, Merge
from actors.redaction import TaskRedaction
from actors.snapshot_base import Base, base_record
from actors.store import Compaction, Floor, Opened, Record, Rewrite, StoredTopic, StoreError, Write, own_kind
from actors.task_fold import TaskFold
from engine.sqlite_log import SqliteLog
from tests.support.stored_events import SESSION, TASK, event, page


def test_reads_back_what_was_committed(log: SqliteLog) -> None:
    log.commit(Write(events=[event(TASK, 1, b'"a"'), event(SESSION, 1), event(TASK, 2, b'"b"')]))
    assert page(log, TASK) == [event(TASK, 1, b'"a"'), event(TASK, 2, b'"b"')]
    assert page(log, SESSION) == [event(SESSION, 1)]
    assert page(log, ChannelKey("task", "task-1", "bob")) == []


def test_a_write_of_many_keeps_each_event_as_it_is(log: SqliteLog) -> None:
    topics = [ChannelKey("task", f"task-{number}", "alice") for number in range(7)]
    merges = tuple(Merge)
    events = [
        Event(topics[number % 7], "one", 1 + number // 7, 1 + number // 7, f"type-{number}", b"%d" % number,
              merges[number % 3], f"key-{number}", number)
        for number in range(18 * 8 - 5)
    ]  # fmt: skip
    log.commit(Write(events=events))
    for topic in topics:
        assert page(log, topic) == [event for event in events if event.key == topic]
    log.commit(Write(events=[event(topics[0], 1 + len(page(log, topics[0])))]))
    assert [each.offset for each in page(log, topics[0])] == list(range(1, 22))


def test_pages_are_bounded_by_count_and_bytes_and_never_empty_before_the_end(log: SqliteLog) -> None:
    log.commit(Write(events=[event(TASK, offset, b"x" * 1000) for offset in range(1, 11)]))
    assert [each.offset for each in page(log, TASK, 3, events=2)] == [4, 5]
    assert [each.offset for each in page(log, TASK, 3, size=3000)] == [4, 5]
    assert [each.offset for each in page(log, TASK, 3, size=1)] == [4]
    assert page(log, TASK, 10) == []


def test_topics_keep_epoch_and_tail_when_all_their_events_are_dropped(log: SqliteLog, path: Path) -> None:
    log.commit(Write(opened=[Opened(SESSION, "two")], events=[event(TASK, offset) for offset in (1, 2, 3)]))
    log.commit(Write(floors=[Floor(TASK, 2)]))
    assert set(log.topics()) == {StoredTopic(TASK, "one", 3, 3, "word"), StoredTopic(SESSION, "two", 1, 0, "")}
    log.commit(Write(floors=[Floor(TASK, 3)]))
    log.close()
    again = SqliteLog(path)
    assert again.is_whole
    assert set(again.topics()) == {StoredTopic(TASK, "one", 4, 3, ""), StoredTopic(SESSION, "two", 1, 0, "")}
    again.commit(Write(events=[event(TASK, 4)]))
    assert page(again, TASK) == [event(TASK, 4)]
    again.close()


def test_records_are_put_replaced_and_dropped(log: SqliteLog) -> None:
    log.commit(Write(records=[Record("task", "b", b"1"), Record("task", "a", b"2"), Record("session", "a", b"3")]))
    log.commit(Write(records=[Record("task", "b", b"4"), Record("session", "a", None)]))
    assert log.records("task") == [("a", b"2"), ("b", b"4")]
    assert log.records("session") == []


def test_a_dropped_topic_is_gone_with_its_events(log: SqliteLog) -> None:
    log.commit(Write(events=[event(TASK, 1), event(SESSION, 1)]))
    log.commit(Write(dropped=[TASK]))
    assert page(log, TASK) == []
    assert [topic.key for topic in log.topics()] == [SESSION]
    log.commit(Write(events=[event(TASK, 1, epoch="two")]))
    assert page(log, TASK) == [event(TASK, 1, epoch="two")]


def test_a_write_is_kept_whole_or_not_at_all(log: SqliteLog) -> None:
    log.commit(Write(events=[event(TASK, 1)]))
    with pytest.raises(StoreError, match="is at 1, and not before 1"):
        log.commit(Write(events=[event(SESSION, 1), event(TASK, 1)], records=[Record("task", "a", b"")]))
    assert page(log, SESSION) == []
    assert log.records("task") == []
    # The rolled back topic is made again by the next one.
    log.commit(Write(events=[event(SESSION, 1)]))
    assert page(log, SESSION) == [event(SESSION, 1)]


def test_a_locked_database_refuses_and_goes_on_later(path: Path) -> None:
    log = SqliteLog(path, wait_seconds=0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        log.commit(Write(events=[event(TASK, 1)]))
    other.execute("ROLLBACK")
    log.commit(Write(events=[event(TASK, 1)]))
    assert page(log, TASK) == [event(TASK, 1)]
    other.close()
    log.close()


def test_a_full_disk_refuses_and_goes_on_later(log: SqliteLog, path: Path) -> None:
    log.commit(Write(events=[event(TASK, 1)]))
    log.limit_bytes(1)
    with pytest.raises(StoreError, match="full"):
        log.commit(Write(events=[event(TASK, 2, b"x" * 10**6)]))
    assert page(log, TASK) == [event(TASK, 1)]
    log.limit_bytes(1 << 40)
    log.commit(Write(events=[event(TASK, 2)]))
    assert page(log, TASK, 1) == [event(TASK, 2)]


def test_the_file_grows_no_further_than_allowed(log: SqliteLog) -> None:
    log.limit_bytes(200_000)
    with pytest.raises(StoreError, match="full"):
        log.commit(Write(events=[event(TASK, 1, b"x" * 300_000)]))
    log.commit(Write(events=[event(TASK, 1, b"x" * 50_000)]))


def test_compaction_leaves_discrete_events_positions_and_where_the_holes_end(log: SqliteLog, path: Path) -> None:
    facts = [msgspec.structs.replace(event(TASK, offset), merge=Merge.NEVER) for offset in (1, 4, 6)]
    texts = [event(TASK, offset) for offset in (2, 3, 5)]
    log.commit(Write(events=sorted([*facts, *texts], key=lambda each: each.offset)))
    log.commit(Write(compactions=[Compaction(TASK, 5)], records=[Record("snapshot", "task/task-1", b"1")]))
    assert page(log, TASK) == facts
    assert page(log, TASK, 2, events=1) == facts[1:2]
    assert log.record("snapshot", "task/task-1") == b"1"
    assert log.record("snapshot", "task/other") is None
    log.close()
    again = SqliteLog(path)
    assert again.topics() == [StoredTopic(TASK, "one", 1, 6, "word", 5)]
    again.commit(Write(events=[event(TASK, 7)]))
    assert page(again, TASK, 5)[-1].offset == 7
    again.close()


def test_what_is_taken_back_is_taken_out_of_the_base_too(log: SqliteLog) -> None:
    fold = TaskFold()
    fold.apply(Event(TASK, "one", 1, 1, "agent.message", b'{"content":"psst"}', Merge.TEXT, "m", 1))
    record = base_record(TASK, Base(1, 1, 1, msgspec.Raw(fold.dump())))
    log.commit(Write(events=[event(TASK, 1), event(TASK, 2)], records=[record], floors=[Floor(TASK, 1)]))
    log.commit(Write(rewrites=[Rewrite(TASK, TaskRedaction("task-1", asked=False))]))
    body = log.record(record.kind, record.id)
    assert body is not None
    assert b"psst" not in body
    fold.load(bytes(msgspec.json.decode(body, type=Base).state))
    assert fold.snapshot().messages == {"m": ""}


def test_with_a_topic_its_own_records_go_and_no_others(log: SqliteLog) -> None:
    other = ChannelKey("task", "task-1", "bob")
    records = [Record(own_kind(key), name, b"1") for key in (TASK, other) for name in ("a", "b")]
    log.commit(Write(events=[event(TASK, 1)], records=[*records, Record("task", "task-1", b"1")]))
    log.commit(Write(dropped=[TASK]))
    assert log.records(own_kind(TASK)) == []
    assert len(log.records(own_kind(other))) == 2
    assert log.record("task", "task-1") == b"1"
