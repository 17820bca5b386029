"""What is handed to the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from actors.event import ChannelKey, Draft, Event
from actors.log import Log
from actors.mailbox import Reply
from actors.position import Position
from actors.redaction import Redaction
from actors.store import Compaction, Floor, Opened, Record


class Topic(Protocol):
    """A topic whose events are kept before they are delivered."""

    log: Log

    def deliver(self, events: Sequence[Event], entries: int) -> None:
        """So many entries are kept: adds their events to the log and hands them to the readers. Never blocks, never
        fails."""
        ...

    def give_up(self, entries: int) -> None:
        """So many entries were refused. Never blocks, never fails."""
        ...


class Appended(msgspec.Struct, frozen=True, eq=False):
    """Events of a topic, and what else is true with them. With a `reply`, the position of the last one, it is refused
    while the store fails; without one it waits for better days."""

    topic: Topic
    drafts: tuple[Draft, ...]
    reply: Reply[Position] | None = None
    records: tuple[Record, ...] = ()


class Redacted(msgspec.Struct, frozen=True, eq=False):
    """Is taken back, also from what waits ahead of it."""

    topic: Topic
    redaction: Redaction


class Kept(msgspec.Struct, frozen=True, eq=False):
    """What is true beside all events. As of `Appended`, a `reply` makes it one that is refused."""

    records: tuple[Record, ...] = ()
    opened: tuple[Opened, ...] = ()
    floors: tuple[Floor, ...] = ()
    compactions: tuple[Compaction, ...] = ()
    dropped: tuple[ChannelKey, ...] = ()
    reply: Reply[None] | None = None


Entry: TypeAlias = Appended | Redacted | Kept
