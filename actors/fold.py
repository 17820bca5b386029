"""What the events of a topic come to: the state at an offset, in place of all events up to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import msgspec

from actors.event import ChannelKey, Event, Merge
from actors.redaction import Redaction

Members: TypeAlias = dict[str, object]
"""A JSON object. (msgspec knows no recursive type, and takes `object` for any JSON value.)"""


class Fold(Protocol):
    """Sync, pure, and total: whatever an event holds, applying it does not fail.

    `load` of what `dump` gave and the events after it come to the same as all events, to the byte.
    """

    def apply(self, event: Event) -> None: ...

    def dump(self) -> bytes:
        """The state as one JSON text; equal states give equal bytes."""
        ...

    def redact(self, key: ChannelKey, redaction: Redaction) -> None:
        """Of what the events of the topic `key` said only that stays which the redaction leaves."""
        ...

    def load(self, dumped: bytes) -> None:
        """Takes the state over. Raises msgspec.DecodeError for what no `dump` gave."""
        ...


class Text:
    """A text that grows. Its pieces are joined when it is read: to join at each one would cost the square of them."""

    __slots__ = ("_pieces",)

    def __init__(self, text: str = "") -> None:
        self._pieces = [text] if text else []

    def add(self, piece: str) -> None:
        self._pieces.append(piece)

    def __str__(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""


class Texts:
    """Several texts by their keys, in the order of their beginnings."""

    __slots__ = ("_texts",)

    def __init__(self, texts: Mapping[str, str] | None = None) -> None:
        self._texts = {key: Text(text) for key, text in (texts or {}).items()}

    def add(self, key: str, piece: str) -> None:
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = Text()
        text.add(piece)

    def pop(self, key: str) -> None:
        self._texts.pop(key, None)

    def redact(self, left: Callable[[str, str], str]) -> None:
        """`left` tells what is left of a text, by its key."""
        self._texts = {key: Text(left(key, str(text))) for key, text in self._texts.items()}

    def joined(self) -> dict[str, str]:
        return {key: str(text) for key, text in self._texts.items()}


def left_of(redaction: Redaction, key: ChannelKey, event_type: str, data: object, merge_key: str = "") -> object:
    """What a redaction leaves of the data of an event of that type; an empty object where it drops the event."""
    event = Event(key, "", 0, 0, event_type, msgspec.json.encode(data), Merge.NEVER, merge_key, 0)
    left = redaction.apply(event)
    return data if left is event else msgspec.json.decode(left.body)


def members_left(redaction: Redaction, key: ChannelKey, event_type: str, data: Members) -> Members:
    """As `left_of`; no members are left of none."""
    left = left_of(redaction, key, event_type, data) if data else data
    return left if isinstance(left, dict) else {}


def members(event: Event) -> Members:
    """The data of an event that is an object; nothing of any other."""
    data: object = msgspec.json.decode(event.body)
    return data if isinstance(data, dict) else {}


def text_of(data: Mapping[str, object], name: str) -> str:
    """A member that is a string; else nothing."""
    value = data.get(name)
    return value if isinstance(value, str) else ""
