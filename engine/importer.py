"""Puts what was exported into the store's file: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import assert_never

import msgspec

from actors.errors import CallboardError
from actors.event import ChannelKey, Event, Merge, check_event_type, check_topic
from actors.log import new_epoch
from actors.store import Floor, Opened, Record, Write
from engine.export_lines import VERSION, BinaryLine, End, EventLine, Head, Line, RecordLine, Topic
from engine.sqlite_log import SqliteLog

_PIECE_LINES = 512
_LINE: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_MERGES = {"never": Merge.NEVER, "text": Merge.TEXT, "last": Merge.LAST}


class ImportMistake(Exception):
    """What is wrong with which line."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"line {number}: {why}")


class Imported(msgspec.Struct):
    topics: int = 0
    records: int = 0
    events: int = 0


def import_lines(path: Path, lines: Iterable[bytes], *, replace: bool = False) -> Imported:
    """`replace`: what is there under the same names goes. Every topic begins a new life, with its offsets. Blocks.

    Raises ImportMistake, BlockingIOError where an engine has the file, actors.store.StoreError,
    engine.database.SchemaError, sqlite3.Error and OSError; nothing is imported then."""
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
        self._number = 0
        self._topic: Topic | None = None
        self._epoch = ""
        self._offset = 0
        self._seen: set[tuple[str, str]] = set()
        self._ended = False
        self._events: list[Event] = []
        self._records: list[Record] = []

    def writes(self, lines: Iterable[bytes]) -> Iterator[Write]:
        for text in lines:
            self._number += 1
            line = self._decode(text)
            match line:
                case Head():
                    self._take_head(line)
                case Topic():
                    yield self._piece()
                    yield from self._begin(line)
                case RecordLine():
                    self._take_record(line.kind, line.id, bytes(line.data))
                case BinaryLine():
                    self._take_record(line.kind, line.id, line.base64)
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
            line = _LINE.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._mistake(str(error)) from error
        if isinstance(line, Head) != (self._number == 1):
            raise self._mistake("the first line, and no other, is the head of an export")
        return line

    def _take_head(self, line: Head) -> None:
        if line.version != VERSION:
            raise self._mistake(f"version {line.version} of the form is not known, only {VERSION}")

    def _begin(self, line: Topic) -> tuple[Write, Write]:
        self._finish_topic()
        name = (line.channel, line.topic)
        try:
            check_topic(line.topic)
        except CallboardError as error:
            raise self._mistake(error.message) from error
        if name in self._seen:
            raise self._mistake(f"the {line.channel} {line.topic} comes a second time")
        if not 1 <= line.first <= line.tail + 1 or line.tail < 0:
            raise self._mistake(f"there are no offsets from {line.first} to {line.tail}")
        there, records = self._log.holdings(*name)
        if (there or records) and not self._replace:
            raise self._mistake(f"the {line.channel} {line.topic} is there already")
        self._seen.add(name)
        self._topic, self._offset, self._epoch = line, line.first - 1, new_epoch()
        self.imported.topics += 1
        key = self._key(line)
        former = Write(dropped=there, records=[Record(kind, record_id, None) for kind, record_id in records])
        return former, Write(opened=[Opened(key, self._epoch)], floors=[Floor(key, line.first - 1)])

    def _take_record(self, kind: str, record_id: str, body: bytes) -> None:
        topic = self._current()
        if record_id != topic.topic and not record_id.startswith(f"{topic.topic}/"):
            raise self._mistake(f"the record {record_id} is not of the {topic.channel} {topic.topic}")
        self._records.append(Record(kind, record_id, body))
        self.imported.records += 1

    def _take_event(self, line: EventLine) -> None:
        topic = self._current()
        if not self._offset < line.offset <= topic.tail:
            raise self._mistake(f"offset {line.offset} is not between {self._offset + 1} and {topic.tail}")
        try:
            check_event_type(line.type)
        except CallboardError as error:
            raise self._mistake(error.message) from error
        self._offset = line.offset
        merge = _MERGES[line.merge]
        self._events.append(
            Event(
                self._key(topic), self._epoch, line.offset, line.offset, line.type, bytes(line.data), merge,
                line.merge_key, line.timestamp,
            )
        )  # fmt: skip
        self.imported.events += 1

    def _take_end(self, line: End) -> None:
        self._finish_topic()
        if line.lines != self._number - 1:
            raise self._mistake(f"{line.lines} lines were exported, and {self._number - 1} are here")
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
