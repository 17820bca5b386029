"""An import takes all of a file or nothing, and names the line that is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Event, Merge
from actors.store import Floor, Record, Write
from engine.exporter import NothingToExport, export
from engine.importer import ImportMistake, import_lines
from engine.sqlite_log import SqliteLog

SESSION = ChannelKey("session", "session-1", "alice")
TASK = ChannelKey("task", "task-1", "alice")
SILENT = ChannelKey("task", "task-2", "alice")
MALLORYS = ChannelKey("task", "task-3", "mallory")
_RECORDS = [
    Record("session", "session-1", b'{"title":"one"}'),
    Record("message", "session-1/0", b"\xff\x00"),
    Record("message", "session-10/0", b'"of another"'),
    Record("task", "task-2", b'{"session_id":"session-1"}'),
]


def event(key: ChannelKey, offset: int, data: object, merge: Merge = Merge.NEVER) -> Event:
    body = json.dumps(data).encode()
    return Event(key, "one", offset, offset, "word", body, merge, "m" if merge is Merge.TEXT else "", 1_000 + offset)


EVENTS = [
    event(SESSION, 1, {"exec_id": "task-1", "content": "ä"}),
    event(SESSION, 2, {"task_id": "task-3"}),
    *(event(TASK, offset, {"content": str(offset)}, Merge(offset % 3)) for offset in range(1, 8)),
    event(SILENT, 1, [1, 2]),
    event(MALLORYS, 1, {}),
]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A conversation with two tasks: of one the oldest events are gone, the other is known by its record alone."""
    path = tmp_path_factory.mktemp("source") / "callboard.db"
    log = SqliteLog(path)
    log.commit(Write(events=EVENTS, records=_RECORDS, floors=[Floor(TASK, 3)]))
    log.close()
    return list(export(path, "session-1"))


def everything(path: Path) -> tuple[object, ...]:
    log = SqliteLog(path)
    topics = [(each.key, each.first, each.tail, each.last_type) for each in log.topics()]
    events = [
        (each.offset, each.event_type, each.body, each.merge, each.merge_key, each.timestamp)
        for topic in log.topics()
        for each in log.read(topic.key, 0, max_events=10**6, max_bytes=10**9)
    ]
    records = [(kind, *record) for kind in ("session", "message", "task") for record in log.records(kind)]
    log.close()
    return topics, events, records


def test_all_of_it_comes_back(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    imported = import_lines(path, lines)
    assert (imported.topics, imported.records, imported.events) == (3, 3, 7)
    topics, events, records = everything(path)
    assert topics == [(SESSION, 1, 2, "word"), (TASK, 4, 7, "word"), (SILENT, 1, 1, "word")]
    kept = [each for each in EVENTS if each.key in (SESSION, SILENT) or (each.key == TASK and each.offset > 3)]
    assert events == [
        (each.offset, each.event_type, each.body, each.merge, each.merge_key, each.timestamp) for each in kept
    ]
    assert records == [
        ("session", "session-1", b'{"title":"one"}'),
        ("message", "session-1/0", b"\xff\x00"),
        ("task", "task-2", b'{"session_id":"session-1"}'),
    ]


def test_what_is_replaced_is_gone_with_its_records(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    log = SqliteLog(path)
    other = Record("message", "session-1/7", b"1")
    log.commit(Write(events=[event(SESSION, offset, {}) for offset in range(1, 30)], records=[other]))
    log.close()
    before = everything(path)
    with pytest.raises(ImportMistake, match="line 2: the session session-1 is there already"):
        import_lines(path, lines)
    assert everything(path) == before
    import_lines(path, lines, replace=True)
    import_lines(tmp_path / "fresh.db", lines)
    # The order of the topics tells when they began.
    assert everything(path) == everything(tmp_path / "fresh.db")


def test_positions_of_a_former_life_are_none_of_the_new_one(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    import_lines(path, lines)
    log = SqliteLog(path)
    epochs = {topic.epoch for topic in log.topics()}
    assert log.is_whole
    log.close()
    assert len(epochs) == 3
    assert "one" not in epochs


@given(data=st.data())
def test_a_mutilated_file_is_refused_whole_and_its_line_is_named(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("mutilated") / "callboard.db"
    at = data.draw(st.integers(0, len(lines) - 1), label="line")
    how = data.draw(st.sampled_from(["lost", "cut", "doubled", "end of the file", "garbled"]))
    match how:
        case "lost":
            broken = [*lines[:at], *lines[at + 1 :]]
        case "cut":
            broken = [*lines[:at], lines[at][: data.draw(st.integers(0, len(lines[at]) - 2))] + b"\n", *lines[at + 1 :]]
        case "doubled":
            broken = [*lines[: at + 1], lines[at], *lines[at + 1 :]]
        case "end of the file":
            broken = lines[:at]
        case _:
            broken = [*lines[:at], b"\xff" + lines[at], *lines[at + 1 :]]
    with pytest.raises(ImportMistake) as mistake:
        import_lines(path, broken)
    number = int(str(mistake.value).removeprefix("line ").partition(":")[0])
    # What is lost is missed where the next one of its topic, or the end, should come.
    assert at + 1 <= number <= len(lines) + 1
    if how in ("cut", "garbled"):
        assert number == at + 1
    assert everything(path) == ([], [], [])


def with_line(lines: list[bytes], number: int, change: Callable[[dict[str, object]], object]) -> list[bytes]:
    line = json.loads(lines[number - 1])
    change(line)
    return [*lines[: number - 1], json.dumps(line).encode(), *lines[number:]]


@pytest.mark.parametrize(
    ("number", "change", "why"),
    [
        (1, {"version": 2}, "version 2 of the form is not known"),
        (2, {"channel": "app"}, "app"),
        (2, {"topic": "a b"}, "a topic is"),
        (2, {"first": 9}, "there are no offsets from 9 to 2"),
        (3, {"id": "session-2/0"}, "is not of the session session-1"),
        (3, {"base64": "=AA"}, "base64"),
        (5, {"offset": 3}, "offset 3 is not between 1 and 2"),
        (5, {"type": "1 2"}, "event_type"),
        (5, {"timestamp": "now"}, "timestamp"),
        (5, {"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_said(
    lines: list[bytes], tmp_path: Path, number: int, change: dict[str, object], why: str
) -> None:
    path = tmp_path / "callboard.db"
    broken = with_line(lines, number, lambda line: line.update(change))
    with pytest.raises(ImportMistake, match=rf"^line {number}: .*{why}"):
        import_lines(path, broken)
    assert everything(path) == ([], [], [])


def test_nothing_is_imported_into_a_file_in_use(lines: list[bytes], tmp_path: Path) -> None:
    log = SqliteLog(tmp_path / "callboard.db")
    with pytest.raises(BlockingIOError, match="in use"):
        import_lines(tmp_path / "callboard.db", lines)
    log.close()


def test_what_is_not_there_is_not_exported(lines: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "callboard.db"
    import_lines(path, lines)
    with pytest.raises(NothingToExport, match="nobodys"):
        list(export(path, "nobodys"))
