"""What is handed to the journal: what each entry says, which topics it adds to, and how it is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias, assert_never

import msgspec

from actors.errors import CallboardError
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
    while the store fails; without one, or where it is `patient`, it waits for better days."""

    topic: Topic
    drafts: tuple[Draft, ...]
    reply: Reply[Position] | None = None
    records: tuple[Record, ...] = ()
    located: Callable[[Position], tuple[Record, ...]] | None = None
    """Records that hold the position of the last event, or one that follows from it."""
    patient: bool = False

    @property
    def is_refusable(self) -> bool:
        return self.reply is not None and not self.patient

    @property
    def is_awaited(self) -> bool:
        return self.reply is not None


class Together(msgspec.Struct, frozen=True, eq=False):
    """Events of several topics, and topics that are opened, that are kept as one. Where one of the entries is refused
    while the store fails, all are."""

    entries: tuple[Appended, ...]
    opened: tuple[Opened, ...] = ()

    @property
    def is_refusable(self) -> bool:
        return any(entry.is_refusable for entry in self.entries)

    @property
    def is_awaited(self) -> bool:
        return any(entry.is_awaited for entry in self.entries)


class Redacted(msgspec.Struct, frozen=True, eq=False):
    """Is taken back, also from what waits ahead of it."""

    topic: Topic
    redaction: Redaction

    @property
    def is_refusable(self) -> bool:
        return False

    @property
    def is_awaited(self) -> bool:
        return False


class Kept(msgspec.Struct, frozen=True, eq=False):
    """What is true beside all events. As of `Appended`, a `reply` makes it one that is refused. With floors it is none:
    what makes room waits for better days, and goes ahead of all else while the store fails."""

    records: tuple[Record, ...] = ()
    opened: tuple[Opened, ...] = ()
    floors: tuple[Floor, ...] = ()
    compactions: tuple[Compaction, ...] = ()
    dropped: tuple[ChannelKey, ...] = ()
    reply: Reply[None] | None = None
    placed: Callable[[], tuple[Record, ...]] | None = None
    """Records that hold the places of what is ahead of them, made once that has its places."""

    @property
    def is_refusable(self) -> bool:
        # What makes room in a store that may be full is not given up.
        return self.reply is not None and not self.floors

    @property
    def is_awaited(self) -> bool:
        return self.reply is not None


Entry: TypeAlias = Appended | Together | Redacted | Kept
"""Each tells whether it `is_refusable` while the store fails, and `is_awaited`: somebody waits until it is kept."""


def frees(entry: Entry) -> bool:
    """Whether it makes room in a store that may be full."""
    return isinstance(entry, Kept) and bool(entry.floors)


def topics_of(entry: Entry) -> set[ChannelKey]:
    """Those to which something is added by it."""
    match entry:
        case Kept():
            opened = (opening.key for opening in entry.opened)
            return {*opened, *(floor.key for floor in entry.floors), *(one.key for one in entry.compactions)}
        case Together(entries, opened):
            return {*(opening.key for opening in opened), *(each.topic.log.key for each in entries)}
        case Appended() | Redacted():
            return {entry.topic.log.key}
        case _:
            assert_never(entry)


def fail(entry: Entry, error: CallboardError) -> None:
    """It will not be kept: tells its topics, and who waits for it."""
    match entry:
        case Redacted():
            pass
        case Together(entries):
            for each in entries:
                fail(each, error)
        case Appended(topic=topic, reply=appended):
            topic.give_up(1)
            if appended is not None:
                appended.fail(error)
        case Kept(reply=kept):
            if kept is not None:
                kept.fail(error)
        case _:
            assert_never(entry)
