"""The lines of an exported task or conversation: one JSON object each."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from actors.event import Event, Merge

VERSION = 1
Channel: TypeAlias = Literal["task", "session"]
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)


class Head(msgspec.Struct, frozen=True, tag_field="line", tag="export", forbid_unknown_fields=True):
    """The first line: the version of this form, what was asked for, and when, in Unix milliseconds."""

    version: int
    of: str
    exported_at: int


class Topic(msgspec.Struct, frozen=True, tag_field="line", tag="topic", forbid_unknown_fields=True):
    """Its records and events follow: those of the offsets `first` to `tail` that are kept, none where `first` is
    `tail + 1`."""

    channel: Channel
    topic: str
    owner: str
    epoch: str
    first: int
    tail: int


class RecordLine(msgspec.Struct, frozen=True, tag_field="line", tag="record", forbid_unknown_fields=True):
    """What is true of the topic beside its events. The text of `data` is kept to the byte."""

    kind: str
    id: str
    data: msgspec.Raw


class BinaryLine(msgspec.Struct, frozen=True, tag_field="line", tag="binary-record", forbid_unknown_fields=True):
    """As `RecordLine`, of what is no JSON."""

    kind: str
    id: str
    base64: bytes


class EventLine(msgspec.Struct, frozen=True, tag_field="line", tag="event", forbid_unknown_fields=True):
    """`timestamp`: Unix milliseconds. The text of `data` is kept to the byte."""

    offset: int
    type: str
    data: msgspec.Raw
    timestamp: int
    merge: Literal["never", "text", "last"] = "never"
    merge_key: str = ""


class End(msgspec.Struct, frozen=True, tag_field="line", tag="end", forbid_unknown_fields=True):
    """The last line: how many came before it."""

    lines: int


Line: TypeAlias = Head | Topic | RecordLine | BinaryLine | EventLine | End


def event_line(event: Event) -> EventLine:
    merge: Literal["never", "text", "last"]
    match event.merge:
        case Merge.NEVER:
            merge = "never"
        case Merge.TEXT:
            merge = "text"
        case Merge.LAST:
            merge = "last"
    return EventLine(event.offset, event.event_type, msgspec.Raw(event.body), event.timestamp, merge, event.merge_key)


def record_line(kind: str, record_id: str, body: bytes) -> RecordLine | BinaryLine:
    try:
        _ANYTHING.decode(body)
    except msgspec.DecodeError:
        return BinaryLine(kind, record_id, body)
    return RecordLine(kind, record_id, msgspec.Raw(body))
