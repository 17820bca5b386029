"""The port behind which logs and records outlive the process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from actors.event import ChannelKey, Event
from actors.redaction import Redaction
from actors.retention import Retention


class StoreError(Exception):
    """The store took nothing of what it was given, or cannot read. The text says why; trying again later may help."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """What is true of one thing, as bytes; `body` None says that the thing is no more."""

    kind: str
    id: str
    body: bytes | None


def own_kind(key: ChannelKey) -> str:
    """The kind of the records that are a topic's own, and go with it."""
    return f"{key.channel} {key.topic} {key.owner}"


class Floor(msgspec.Struct, frozen=True, gc=False):
    """The events of a topic up to `offset` are no longer kept."""

    key: ChannelKey
    offset: int


class Compaction(msgspec.Struct, frozen=True, gc=False):
    """Of the events of a topic up to `offset` only those of the class Merge.NEVER are kept. The last event that goes is
    at `offset`, which is below the tail."""

    key: ChannelKey
    offset: int


class Rewrite(msgspec.Struct, frozen=True):
    """Of the kept events of a topic, and of its base, only what the redaction leaves of each is kept."""

    key: ChannelKey
    redaction: Redaction


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A topic begins, so that a position in it may be told before its first event."""

    key: ChannelKey
    epoch: str


class Write(msgspec.Struct, frozen=True):
    """What is kept together, or not at all. The events of a topic are in order and follow those that are kept."""

    opened: Sequence[Opened] = ()
    events: Sequence[Event] = ()
    records: Sequence[Record] = ()
    rewrites: Sequence[Rewrite] = ()
    """Of the events from before the write, and of the bases that it leaves."""
    floors: Sequence[Floor] = ()
    compactions: Sequence[Compaction] = ()
    dropped: Sequence[ChannelKey] = ()
    """Topics that are no more, with all that they held and the records of their `own_kind`. What the write adds to one
    of them is dropped with it."""


class StoredTopic(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a topic: the events `first` to `tail`, none where `first` is `tail + 1`; of those up to `holes`
    only the discrete ones."""

    key: ChannelKey
    epoch: str
    first: int
    tail: int
    last_type: str
    """The type of the newest event; empty where none is kept."""
    holes: int = 0


class Overfull(msgspec.Struct, frozen=True, gc=False):
    """The events of a topic up to `offset` are beyond what is to be kept of it. The topic is in its life `epoch`."""

    key: ChannelKey
    epoch: str
    offset: int


class Excess(msgspec.Struct, frozen=True):
    """What is beyond the bounds among some of the topics."""

    topics: tuple[Overfull, ...]
    next: int | None
    """The place to go on at; None where all topics were looked at."""


class Store(Protocol):
    """Keeps what it is given. One commit at a time; reads may go on beside it. All raise StoreError."""

    async def commit(self, write: Write) -> None:
        """Returns once all of it will be there after a crash. Raised out of, nothing of it is kept.

        Cancelled meanwhile, it finishes first."""
        ...

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """The kept events after an offset, oldest first: at least one if there is one, then up to both bounds."""
        ...

    async def topics(self) -> list[StoredTopic]:
        """All that are kept."""
        ...

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        """All of one kind: id and body, in the order of their ids."""
        ...

    async def record(self, kind: str, name: str) -> bytes | None:
        """The body of one; None where there is none."""
        ...


class RetainedStore(Store, Protocol):
    """A store that knows what it holds too much of. Raising a floor costs the same however much is beneath it."""

    async def excess(self, bounds: Mapping[str, Retention], now: int, after: int) -> Excess:
        """Of some topics behind the place `after`, which is 0 for the first ones, those that hold more than the bounds
        of their channel. `now`: Unix milliseconds. Of what is too old it may find a part at a time. Raises StoreError.
        """
        ...
