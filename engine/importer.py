"""Puts what was exported into the store's file: all of it, or nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import assert_never

import msgspec

from actors.errors import CallboardError
from actors.event import ChannelKey, Event, Merge, check_event_type, check_topic
from actors.log import new_epoch
from actors.store import Compaction, Floor, Opened, Record, Write
from actors.unreadable import UNREADABLE
from actors.uploads import Upload, upload_key
from engine.event_slot import MAX_OFFSET
from engine.export_lines import VERSION, BinaryLine, End, EventLine, FileLine, Head, Line, RecordLine, Topic
from engine.newcomers import Newcomers
from engine.sqlite_log import SqliteLog, Work
from engine.sqlite_uploads import put_upload


class _Version(msgspec.Struct, tag_field="line", tag="export"):
    """What the first line has in every version."""

    version: int


class _Text(msgspec.Struct):
    """What an event of a text that streams must hold."""

    content: str


_PIECE_LINES = 512
_LAST_OFFSET = MAX_OFFSET // 2
"""Of a topic that comes in: it goes on here."""
_LINE: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_VERSION: msgspec.json.Decoder[_Version] = msgspec.json.Decoder(_Version)
_TEXT: msgspec.json.Decoder[_Text] = msgspec.json.Decoder(_Text)
_MERGES = {"never": Merge.NEVER, "text": Merge.TEXT, "last": Merge.LAST}


class ImportMistake(Exception):
    """What is wrong with which line."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"line {number}: {why}")


class Imported(msgspec.Struct):
    topics: int = 0
    records: int = 0
    files: int = 0
    events: int = 0


def import_lines(path: Path, lines: Iterable[bytes], *, replace: bool = False) -> Imported:
    """`replace`: what is there under the same names goes. Every topic begins a new life, with its offsets; its task or
    session becomes the newest one. Blocks.

    Raises ImportMistake, BlockingIOError where an engine has the file, actors.store.StoreError, what is
    actors.unreadable.UNREADABLE for such records in the store, engine.database.SchemaError, sqlite3.Error and OSError;
    nothing is imported then."""
    log = SqliteLog(path)
    try:
        reading = _Reading(log, replace)
        log.commit_all(reading.writes(lines))
        return reading.imported
    finally:
        log.close()


class _Reading:
    """Goes through the lines from the head to the end."""

    def __init__(self, log: SqliteLog, replace: bool) -> None:
        self.imported = Imported()
        self._log = log
        self._replace = replace
        self._newcomers = Newcomers(log)
        self._digest = hashlib.sha256()
        self._number = 0
        self._topic: Topic | None = None
        self._epoch = ""
        self._offset = 0
        self._seen: set[tuple[str, str]] = set()
        self._ended = False
        self._events: list[Event] = []
        self._records: list[Record] = []

    def writes(self, lines: Iterable[bytes]) -> Iterator[Write | Work]:
        for text in lines:
            self._number += 1
            line = self._decode(text)
            if not isinstance(line, End):
                self._digest.update(text)
            match line:
                case Head():
                    pass
                case Topic():
                    yield self._piece()
                    yield from self._begin(line)
                case RecordLine():
                    self._take_record(line.kind, line.id, bytes(line.data))
                case BinaryLine():
                    self._take_record(line.kind, line.id, line.base64)
                case FileLine():
                    yield self._file(line)
                case EventLine():
                    self._take_event(line)
                case End():
                    self._take_end(line)
                case _:
                    assert_never(line)
            if len(self._events) + len(self._records) >= _PIECE_LINES:
                yield self._piece()
        if not self._ended:
            raise ImportMistake(self._number + 1, "the end is missing: the file was cut short")
        yield self._piece()

    def _decode(self, text: bytes) -> Line:
        if self._ended:
            raise self._mistake("something follows the end")
        try:
            if self._number == 1:
                self._check_version(_VERSION.decode(text).version)
            line = _LINE.decode(text)
        except UNREADABLE as error:
            raise self._mistake(str(error)) from error
        if isinstance(line, Head) != (self._number == 1):
            raise self._mistake("the first line, and no other, is the head of an export")
        return line

    def _check_version(self, version: int) -> None:
        if version > VERSION:
            raise self._mistake(f"a newer Callboard wrote it: version {version} of the form, here is {VERSION}")
        if version < VERSION:
            raise self._mistake(f"there is no version {version} of the form")

    def _begin(self, line: Topic) -> tuple[Write, Write]:
        self._finish_topic()
        name = (line.channel, line.topic)
        try:
            check_topic(line.topic)
        except CallboardError as error:
            raise self._mistake(error.message) from error
        if name in self._seen:
            raise self._mistake(f"the {line.channel} {line.topic} comes a second time")
        if not 1 <= line.first <= line.tail + 1:
            raise self._mistake(f"there are no offsets from {line.first} to {line.tail}")
        if line.tail > _LAST_OFFSET:
            raise self._mistake(f"behind the offset {line.tail} there is no room for what is to come")
        if line.holes and not line.first <= line.holes < line.tail:
            raise self._mistake(f"there is no hole at {line.holes} between {line.first} and {line.tail}")
        there, records = self._log.holdings(*name)
        if (there or records) and not self._replace:
            raise self._mistake(f"the {line.channel} {line.topic} is there already")
        self._seen.add(name)
        self._topic, self._offset, self._epoch = line, line.first - 1, new_epoch()
        self.imported.topics += 1
        key = self._key(line)
        former = Write(dropped=there, records=[Record(kind, record_id, None) for kind, record_id in records])
        holes = [Compaction(key, line.holes)] if line.holes else []
        begun = Write(opened=[Opened(key, self._epoch)], floors=[Floor(key, line.first - 1)], compactions=holes)
        return former, begun

    def _take_record(self, kind: str, record_id: str, body: bytes) -> None:
        try:
            self._records.append(self._newcomers.take(self._current(), kind, record_id, body))
        except ValueError as error:
            raise self._mistake(f"the record {kind} {record_id}: {error}") from error
        self.imported.records += 1

    def _file(self, line: FileLine) -> Work:
        owner, scope = self._current().owner, self._newcomers.session_key
        if not scope or line.key != upload_key(owner, scope, line.name, line.base64):
            raise self._mistake(f"the file {line.key} is not one of the session")
        self.imported.files += 1
        return partial(put_upload, owner=owner, upload=Upload(line.key, scope, line.name, line.media_type, line.base64))

    def _take_event(self, line: EventLine) -> None:
        topic, body = self._current(), bytes(line.data)
        is_next = line.offset == self._offset + 1
        if not is_next and not self._offset < line.offset - 1 <= topic.holes:
            raise self._mistake(f"offset {line.offset} does not come behind {self._offset}")
        if line.offset > topic.tail:
            raise self._mistake(f"offset {line.offset} is behind the last one, {topic.tail}")
        if line.offset <= topic.holes and (line.merge != "never" or line.offset == topic.holes):
            raise self._mistake(f"offset {line.offset} cannot be there: it was taken out")
        try:
            check_event_type(line.type)
            if line.merge == "text":
                _TEXT.decode(body)
        except CallboardError as error:
            raise self._mistake(error.message) from error
        except UNREADABLE as error:
            raise self._mistake(f"a text that streams needs its content: {error}") from error
        self._offset = line.offset
        self._events.append(
            Event(
                self._key(topic), self._epoch, line.offset, line.offset, line.type, body, _MERGES[line.merge],
                line.merge_key, line.timestamp,
            )
        )  # fmt: skip
        self.imported.events += 1

    def _take_end(self, line: End) -> None:
        self._finish_topic()
        if line.lines != self._number - 1:
            raise self._mistake(f"{line.lines} lines were exported, and {self._number - 1} are here")
        if line.sha256 and line.sha256 != self._digest.hexdigest():
            raise self._mistake("what is above is not what was exported: the file is damaged")
        self._ended = True

    def _finish_topic(self) -> None:
        topic = self._topic
        if topic is not None and self._offset != topic.tail:
            message = (
                f"the events of the {topic.channel} {topic.topic} from {self._offset + 1} to {topic.tail} are missing"
            )
            raise self._mistake(message)

    def _current(self) -> Topic:
        if self._topic is None:
            raise self._mistake("it belongs to no topic")
        return self._topic

    def _piece(self) -> Write:
        write = Write(events=self._events, records=self._records)
        self._events, self._records = [], []
        return write

    def _mistake(self, why: str) -> ImportMistake:
        return ImportMistake(self._number, why)

    @staticmethod
    def _key(line: Topic) -> ChannelKey:
        return ChannelKey(line.channel, line.topic, line.owner)
