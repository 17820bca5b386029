"""What a log holds: an event, its address, and how a lagging reader's events may be merged."""

from __future__ import annotations

import re
import time
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

import msgspec
import orjson

from actors.errors import CallboardError, ErrorCode

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

_TYPE_FORM = re.compile(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}", re.ASCII)
_TOPIC_FORM = re.compile(r"[A-Za-z0-9_.:@~-]{1,200}", re.ASCII)


class ChannelKey(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """The address of one log. `owner` parts a topic kept per user (`system` topics); it is never on the wire."""

    channel: str
    topic: str
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.channel}/{self.topic}"


class Merge(Enum):
    """What a reader that lags may be sent in place of several adjacent events of one type."""

    NEVER = 0
    """One by one: tool calls, confirmations, terminal events."""
    TEXT = 1
    """One event whose member `content` is the concatenation of theirs; its other members are the first one's."""
    LAST = 2
    """The last one alone: progress."""


_TEXT = Merge.TEXT
"""Looked up once: an enum's member is found the slow way."""


class Draft(msgspec.Struct, frozen=True, gc=False):
    """An event not yet in a log. `body` is its data as one JSON text, `timestamp` is Unix milliseconds.

    The data is kept encoded: it cannot be changed behind a reader's back, costs its own length, is spliced into every
    dialect's frame as it stands, and what cannot be encoded fails in the hands of the one who emits it.
    """

    event_type: str
    body: bytes
    merge: Merge
    merge_key: str
    timestamp: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event at its place. `first` is its own offset, or that of the first event merged into it."""

    key: ChannelKey
    epoch: str
    offset: int
    first: int
    event_type: str
    body: bytes
    merge: Merge
    merge_key: str
    timestamp: int

    @property
    def data(self) -> Json:
        """The data, decoded anew at each call."""
        decoded: Json = orjson.loads(self.body)
        return decoded


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


def draft(
    event_type: str, data: Json, *, merge: Merge = Merge.NEVER, merge_key: str = "", timestamp: int | None = None
) -> Draft:
    """A draft of `data`. Raises CallboardError INVALID_PAYLOAD for a bad type name, for data that JSON cannot hold, and
    for a merge key that UTF-8 cannot.

    `merge_key` keeps apart what must not be merged although it is adjacent and of one type: two messages, two steps.
    """
    check_event_type(event_type)
    if not (merge_key.isascii() or _is_utf8(merge_key)):
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"the merge key of {event_type} is no text: {merge_key!a}")
    if merge is _TEXT and not (isinstance(data, dict) and isinstance(data.get("content"), str)):
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{event_type} streams text: its data needs a string `content`")
    return Draft(
        event_type,
        encode_json(event_type, data),
        merge,
        merge_key,
        now_ms() if timestamp is None else timestamp,
    )


def encode_json(what: str, data: Json) -> bytes:
    """The data as one JSON text. Raises CallboardError INVALID_PAYLOAD, naming `what`, for data that JSON cannot hold.

    Nesting beyond about 250 levels and integers beyond 64 bits are such data: a reader elsewhere may not take them.
    """
    try:
        # Copied, since orjson hands over its buffer of 4 KiB with each text: a log of short events would hold that much
        # for each of them.
        return b"%b" % orjson.dumps(data)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{what} is not JSON: {error}") from error


def _is_utf8(text: str) -> bool:
    """Whether it can be written down: no surrogate stands alone in it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=1024)
def check_event_type(event_type: str) -> None:
    """Raises CallboardError INVALID_PAYLOAD unless the name is a letter and up to 63 of `A-Z a-z 0-9 _ . : -`.

    The form keeps a type from ending an SSE field or a metric's label.
    """
    if not _TYPE_FORM.fullmatch(event_type):
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "event_type is a letter and up to 63 of A-Z a-z 0-9 _ . : -")


def check_topic(topic: str) -> None:
    """Raises CallboardError INVALID_PAYLOAD unless it is 1 to 200 of `A-Z a-z 0-9 _ . : @ ~ -`: safe in a path."""
    if not _TOPIC_FORM.fullmatch(topic):
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "a topic is 1 to 200 of A-Z a-z 0-9 _ . : @ ~ -")
