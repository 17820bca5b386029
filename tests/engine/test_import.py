"""An import takes all of a file or nothing, and names the line that is wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.kept_task import TASK_RECORDS, TURN_RECORDS
from actors.snapshot_base import BASE
from actors.store import StoredTopic, Write
from engine.exporter import NothingToExport, export
from engine.importer import ImportMistake, import_lines
from engine.sqlite_log import SqliteLog
from tests.support.stored_conversation import (
    COMPACTED,
    KEY,
    RECORDS,
    RUNNING,
    SESSION,
    event,
    keep_conversation,
    session,
    task,
)

Stored: TypeAlias = tuple[list[StoredTopic], dict[tuple[str, str], object], list[tuple[object, ...]]]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("source") / "callboard.db"
    keep_conversation(path)
    return list(export(path, SESSION.topic))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "callboard.db"


def everything(path: Path) -> Stored:
    """Topics, records and files, but for the epochs, which are other ones each time."""
    log = SqliteLog(path)
    topics = [msgspec.structs.replace(topic, epoch="") for topic in log.topics()]
    log.close()
    db = sqlite3.connect(path)
    records = {(kind, name): body for kind, name, body in db.execute("SELECT kind, id, body FROM record")}
    files = db.execute("SELECT owner, key, scope, name, media_type, size, data FROM upload").fetchall()
    db.close()
    return topics, records, files


NOTHING: Stored = ([], {}, [])


def test_all_of_it_comes_back_and_is_the_newest(lines: list[bytes], path: Path) -> None:
    """What was there keeps its place; of the conversation only the places change."""
    there = [session("session-0", 30), task("task-0", 40)]
    log = SqliteLog(path)
    log.commit(Write(records=there))
    log.close()
    imported = import_lines(path, lines)
    assert (imported.topics, imported.records, imported.files, imported.events) == (3, 9, 1, 6)
    topics, records, files = everything(path)
    assert topics == [
        StoredTopic(SESSION, "", 3, 4, "word"),
        StoredTopic(COMPACTED, "", 1, 8, "task.completed", 7),
        StoredTopic(RUNNING, "", 1, 1, "word"),
    ]
    moved = [session("session-1", 31, KEY), task("task-1", 41, session_id="session-1")]
    moved += [task("task-2", 42, session_id="session-1", ended=False)]
    others = {("message", "session-10/000000000000"), (TASK_RECORDS, "task-3")}
    expected = {(each.kind, each.id): each.body for each in (*there, *RECORDS, *moved)}
    assert records == {name: body for name, body in expected.items() if name not in others}
    assert len(files) == 1


def test_a_task_moves_alone(lines: list[bytes], path: Path, tmp_path: Path) -> None:
    import_lines(path, lines)
    import_lines(tmp_path / "other.db", export(path, COMPACTED.topic))
    topics, records, files = everything(tmp_path / "other.db")
    assert topics == [StoredTopic(COMPACTED, "", 1, 8, "task.completed", 7)]
    assert {kind for kind, _ in records} == {TASK_RECORDS, TURN_RECORDS, BASE}
    assert files == []


def test_the_head_says_what_it_holds_and_what_has_not_ended(lines: list[bytes]) -> None:
    head = json.loads(lines[0])
    assert head["holds"] == ["records", "snapshots", "files", "events"]
    assert head["unfinished"] == ["task-2"]


def test_what_is_replaced_is_gone_with_its_records(lines: list[bytes], path: Path, tmp_path: Path) -> None:
    log = SqliteLog(path)
    log.commit(Write(events=[event(SESSION, offset, {}) for offset in range(1, 30)], records=[RECORDS[1]]))
    log.close()
    before = everything(path)
    with pytest.raises(ImportMistake, match="line 2: the session session-1 is there already"):
        import_lines(path, lines)
    assert everything(path) == before
    import_lines(path, lines, replace=True)
    import_lines(path, lines, replace=True)
    import_lines(tmp_path / "fresh.db", lines)
    replaced, fresh = everything(path), everything(tmp_path / "fresh.db")
    assert replaced[0] == fresh[0]
    assert replaced[1].keys() == fresh[1].keys()
    assert replaced[2] == fresh[2]


def test_positions_of_a_former_life_are_none_of_the_new_one(lines: list[bytes], path: Path) -> None:
    import_lines(path, lines)
    log = SqliteLog(path)
    epochs = {topic.epoch for topic in log.topics()}
    assert log.is_whole
    log.close()
    assert len(epochs) == 3
    assert "one" not in epochs


def test_a_key_names_one_session_of_a_user(lines: list[bytes], path: Path) -> None:
    log = SqliteLog(path)
    log.commit(Write(records=[session("session-0", 1, KEY)]))
    log.close()
    with pytest.raises(ImportMistake, match=r"line 3: .* another session of the key 'pipeline person p1' .*session-0"):
        import_lines(path, lines)


@given(data=st.data())
def test_a_mutilated_file_is_refused_whole_and_its_line_is_named(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("mutilated") / "callboard.db"
    at = data.draw(st.integers(0, len(lines) - 1), label="line")
    how = data.draw(st.sampled_from(["lost", "cut", "doubled", "end of the file", "garbled", "one bit"]))
    match how:
        case "lost":
            broken = [*lines[:at], *lines[at + 1 :]]
        case "cut":
            broken = [*lines[:at], lines[at][: data.draw(st.integers(0, len(lines[at]) - 2))] + b"\n", *lines[at + 1 :]]
        case "doubled":
            broken = [*lines[: at + 1], lines[at], *lines[at + 1 :]]
        case "end of the file":
            broken = lines[:at]
        case "one bit":
            line = bytearray(lines[at])
            line[data.draw(st.integers(0, len(line) - 2))] ^= 1 << data.draw(st.integers(0, 7))
            broken = [*lines[:at], bytes(line), *lines[at + 1 :]]
        case _:
            broken = [*lines[:at], b"\xff" + lines[at], *lines[at + 1 :]]
    with pytest.raises(ImportMistake) as mistake:
        import_lines(path, broken)
    number = int(str(mistake.value).removeprefix("line ").partition(":")[0])
    # What is lost is missed where the next one of its topic, or the end, should come.
    assert at + 1 <= number <= len(lines) + 1
    if how in ("cut", "garbled"):
        assert number == at + 1
    assert everything(path) == NOTHING


def with_line(lines: list[bytes], number: int, change: Callable[[dict[str, Any]], object]) -> list[bytes]:
    """Changed on purpose: the digest says so."""
    line, end = json.loads(lines[number - 1]), json.loads(lines[-1])
    change(line)
    return [
        *lines[: number - 1],
        json.dumps(line).encode(),
        *lines[number:-1],
        json.dumps({**end, "sha256": ""}).encode(),
    ]


@pytest.mark.parametrize(
    ("number", "change", "why"),
    [
        (1, {"version": 2, "colour": "red"}, "a newer Callboard wrote it: version 2"),
        (1, {"version": 0}, "there is no version 0"),
        (2, {"channel": "app"}, "app"),
        (2, {"topic": "a b"}, "a topic is"),
        (2, {"first": 9}, "there are no offsets from 9 to 4"),
        (2, {"tail": 1 << 36}, "behind the offset 68719476736 there is no room"),
        (2, {"holes": 4}, "there is no hole at 4"),
        (3, {"id": "session-2"}, "the record session session-2: it is not of the session session-1"),
        (3, {"kind": "member"}, "it is not of the session"),
        (3, {"data": {"title": "one"}}, "missing required field"),
        (4, {"id": "session-1/last"}, "it is not of the session"),
        (4, {"data": 1}, "Expected"),
        (6, {"data": {"first": 1, "offset": 9, "timestamp": 1, "state": {}}}, "there are no offsets from 1 to 9"),
        (6, {"data": {"first": 1, "offset": 2, "timestamp": 1, "state": {"messages": 1}}}, "Expected"),
        (7, {"name": "other"}, "is not one of the session"),
        (8, {"offset": 4}, "offset 4 does not come behind 2"),
        (8, {"type": "1 2"}, "event_type"),
        (8, {"timestamp": "now"}, "timestamp"),
        (8, {"timestamp": 1 << 64}, "timestamp"),
        (2, {"tail": 1 << 63}, "tail"),
        (8, {"colour": "red"}, "colour"),
        (8, {"merge": "text", "data": 1}, "needs its content"),
        (10, {"owner": "mallory"}, None),
        (12, {"base64": "=AA"}, "base64"),
        (16, {"offset": 7}, "offset 7 cannot be there"),
        (16, {"merge": "last"}, "offset 6 cannot be there"),
    ],
)
def test_what_is_wrong_is_said(
    lines: list[bytes], path: Path, number: int, change: dict[str, object], why: str | None
) -> None:
    broken = with_line(lines, number, lambda line: line.update(change))
    # An owner is missed in the record that follows.
    said = rf"^line {number}: .*{why}" if why is not None else rf"^line {number + 1}: .* of 'alice'"
    with pytest.raises(ImportMistake, match=said):
        import_lines(path, broken)
    assert everything(path) == NOTHING


@pytest.mark.parametrize(
    ("part", "why"),
    [(b'"line":"record","kind":"session"', "line 3: the record session"), (b'"merge":"text"', "needs its content")],
)
def test_a_text_that_is_no_utf_8_is_named(lines: list[bytes], path: Path, part: bytes, why: str) -> None:
    texts = with_line(lines, 8, lambda line: line.update(merge="text", data={"content": "garbled"}))
    texts = with_line(texts, 3, lambda line: line.update(data={**line["data"], "title": "garbled"}))
    texts = [json.dumps(json.loads(line), separators=(",", ":")).encode() for line in texts]
    broken = [line.replace(b"garbled", b"\xff") if part in line else line for line in texts]
    assert broken != texts
    with pytest.raises(ImportMistake, match=why):
        import_lines(path, broken)


def test_what_was_changed_on_purpose_is_taken(lines: list[bytes], path: Path) -> None:
    import_lines(path, with_line(lines, 8, lambda line: line.update(data={"content": "changed"})))
    log = SqliteLog(path)
    assert log.read(SESSION, 0, max_events=1, max_bytes=1)[0].data == {"content": "changed"}
    log.close()


def test_nothing_is_imported_into_a_file_in_use(lines: list[bytes], path: Path) -> None:
    log = SqliteLog(path)
    with pytest.raises(BlockingIOError, match="in use"):
        import_lines(path, lines)
    log.close()


def test_what_is_not_there_is_not_exported(lines: list[bytes], path: Path) -> None:
    import_lines(path, lines)
    with pytest.raises(NothingToExport, match="nobodys"):
        list(export(path, "nobodys"))
