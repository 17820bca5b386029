"""What the server pushes: events at their places, and gaps."""

from __future__ import annotations

import re
from typing import Any

import msgspec

_POSITION = re.compile(r"([0-9A-Za-z_-]{1,64}):([0-9]{1,18})", re.ASCII)


class Position(msgspec.Struct, frozen=True):
    """All up to and including `offset` of the topic's life named `epoch` was seen. As text, `<epoch>:<offset>`."""

    epoch: str
    offset: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.offset}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """Raises ValueError for anything but `<epoch>:<offset>`."""
        found = _POSITION.fullmatch(text)
        if found is None:
            raise ValueError(f"a position is written <epoch>:<offset>, not {text!r}")
        return cls(found[1], int(found[2]))


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `data` is decoded JSON; `timestamp` is Unix milliseconds. `first` is below the position's offset where
    the server has merged adjacent events for a client that lags: this one stands for all from there on."""

    channel: str
    topic: str
    event_type: str
    data: Any
    position: Position
    first: int
    timestamp: int


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Events `first` to `last` of a topic cannot be delivered any more; what follows comes after `position`.

    `reason` is `retention` (dropped by the server), `compacted` (of the text and progress of a task that has ended the
    server keeps only what they came to: a snapshot has it), `epoch` (the position was of another life of the topic:
    what lies between is unknown), `future` (the topic never had them), `gone` (the topic is no more; `last` and
    `position` may be None) or `forgotten` (more topics spoke than the client remembers). The topic `*` stands for any
    of a whole channel, and the numbers are then those of events in all topics.
    """

    channel: str
    topic: str
    first: int
    last: int | None
    reason: str
    position: Position | None
