"""The lines of an exported task or conversation: one JSON object each."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from actors.event import Event, Merge

VERSION = 1
Number: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
"""No larger than what every reader of JSON takes."""
Channel: TypeAlias = Literal["task", "session"]
HOLDS = ("records", "snapshots", "files", "events")
_ANYTHING = msgspec.json.Decoder(msgspec.Raw)


class Head(msgspec.Struct, frozen=True, tag_field="line", tag="export", forbid_unknown_fields=True):
    """The first line: the version of this form, what was asked for, and when, in Unix milliseconds.

    `holds`: what there is of each task and session. `unfinished`: the tasks that had not ended.
    """

    version: int
    of: str
    exported_at: int
    holds: tuple[str, ...] = HOLDS
    unfinished: tuple[str, ...] = ()


class Topic(msgspec.Struct, frozen=True, tag_field="line", tag="topic", forbid_unknown_fields=True):
    """Its records, files and events follow: the events of the offsets `first` to `tail`, none where `first` is
    `tail + 1`. Of those up to `holes`, which is one that is missing, only the discrete ones are left; what the others
    came to is in a record of the kind `snapshot`."""

    channel: Channel
    topic: str
    owner: str
    epoch: str
    first: Number
    tail: Number
    holes: Number = 0


class RecordLine(msgspec.Struct, frozen=True, tag_field="line", tag="record", forbid_unknown_fields=True):
    """What is true of the topic beside its events. The text of `data` is kept to the byte."""

    kind: str
    id: str
    data: msgspec.Raw


class BinaryLine(msgspec.Struct, frozen=True, tag_field="line", tag="binary-record", forbid_unknown_fields=True):
    """As `RecordLine`, of what is no JSON, or no single line of it."""

    kind: str
    id: str
    base64: bytes


class FileLine(msgspec.Struct, frozen=True, tag_field="line", tag="file", forbid_unknown_fields=True):
    """A file that was brought to the session, and that its messages name by its `key`."""

    key: str
    name: str
    media_type: str
    base64: bytes


class EventLine(msgspec.Struct, frozen=True, tag_field="line", tag="event", forbid_unknown_fields=True):
    """`timestamp`: Unix milliseconds. The text of `data` is kept to the byte."""

    offset: Number
    type: str
    data: msgspec.Raw
    timestamp: Number
    merge: Literal["never", "text", "last"] = "never"
    merge_key: str = ""


class End(msgspec.Struct, frozen=True, tag_field="line", tag="end", forbid_unknown_fields=True):
    """The last line: how many came before it, and the digest of these with their ends, in hexadecimal digits; empty
    where somebody has changed them on purpose."""

    lines: int
    sha256: str = ""


Line: TypeAlias = Head | Topic | RecordLine | BinaryLine | FileLine | EventLine | End


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
    """Not every record is JSON, and not all JSON is one line that is the same again when it is read."""
    try:
        _ANYTHING.decode(body)
        is_line = body == body.strip() and b"\n" not in body and b"\r" not in body
    except msgspec.DecodeError:
        is_line = False
    return RecordLine(kind, record_id, msgspec.Raw(body)) if is_line else BinaryLine(kind, record_id, body)
