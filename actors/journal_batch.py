"""What is committed as one: entries, their events at their places, and what they come to for the store."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import assert_never

from actors.event import ChannelKey, Event
from actors.journal_entries import Appended, Entry, Kept, Redacted, Together, Topic
from actors.mailbox import Reply
from actors.position import Position
from actors.redaction import Redaction
from actors.store import Compaction, Floor, Opened, Record, Rewrite, Write


class Delivery:
    """What one topic gets of a batch."""

    __slots__ = ("entries", "events")

    def __init__(self) -> None:
        self.entries = 0
        self.events: list[Event] = []


class Batch:
    """Numbered behind what the logs hold: no other batch may be under way."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.deliveries: dict[Topic, Delivery] = {}
        self._records: dict[tuple[str, str], Record] = {}
        """By kind and id: of what several entries say of one thing the last is true."""
        self._opened: list[Opened] = []
        self._rewrites: list[Rewrite] = []
        self._redacted: list[tuple[Topic, Redaction]] = []
        self._floors: list[Floor] = []
        self._compactions: list[Compaction] = []
        self._dropped: list[ChannelKey] = []
        self._positions: list[tuple[Reply[Position], Position]] = []
        self._replies: list[Reply[None]] = []
        for entry in entries:
            self._take(entry)

    @property
    def write(self) -> Write:
        return Write(
            opened=self._opened,
            events=list(chain.from_iterable(delivery.events for delivery in self.deliveries.values())),
            records=tuple(self._records.values()),
            rewrites=self._rewrites,
            floors=self._floors,
            compactions=self._compactions,
            dropped=self._dropped,
        )

    def unmask(self) -> None:
        """All of it is kept: what it takes back is taken back there, too."""
        for topic, redaction in self._redacted:
            topic.log.unmask(redaction)

    def answer(self) -> None:
        """All of it is kept and delivered."""
        for reply, position in self._positions:
            reply.answer(position)
        for done in self._replies:
            done.answer(None)

    def _take(self, entry: Entry) -> None:
        match entry:
            case Appended():
                self._append(entry)
            case Together(entries, opened):
                self._opened += opened
                for each in entries:
                    self._append(each)
            case Redacted(topic, redaction):
                delivery = self._delivery(topic)
                delivery.events = [redaction.apply(event) for event in delivery.events]
                self._rewrites.append(Rewrite(topic.log.key, redaction))
                self._redacted.append((topic, redaction))
            case Kept():
                self._put(entry.records)
                if entry.placed is not None:
                    self._put(entry.placed())
                self._opened += entry.opened
                self._floors += entry.floors
                self._compactions += entry.compactions
                self._dropped += entry.dropped
                if entry.reply is not None:
                    self._replies.append(entry.reply)
            case _:
                assert_never(entry)

    def _append(self, entry: Appended) -> None:
        log, delivery = entry.topic.log, self._delivery(entry.topic)
        events = delivery.events
        offset = log.tail + len(events)
        for draft in entry.drafts:
            offset += 1
            events.append(log.place(draft, offset))
        if entry.records:
            self._put(entry.records)
        if entry.located is None and entry.reply is None:
            return
        position = Position(log.epoch, offset)
        if entry.located is not None:
            self._put(entry.located(position))
        if entry.reply is not None:
            self._positions.append((entry.reply, position))

    def _put(self, records: Sequence[Record]) -> None:
        for record in records:
            self._records[record.kind, record.id] = record

    def _delivery(self, topic: Topic) -> Delivery:
        delivery = self.deliveries.get(topic)
        if delivery is None:
            delivery = self.deliveries[topic] = Delivery()
        delivery.entries += 1
        return delivery
