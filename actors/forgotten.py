"""The topics that are no more: where each of them ended, so that nobody takes their silence for completeness."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from actors.event import ChannelKey, Event
from actors.groups import Groups
from actors.log import Log
from actors.position import Position
from actors.resumption import Gap, gap_event


class Former(msgspec.Struct, frozen=True, eq=False):
    """A topic as it was when it was forgotten: its last position, and its last event's number among all events."""

    key: ChannelKey
    end: Position
    number: int

    def gap_event(self, timestamp: int) -> Event:
        """What one is told who may have missed some of it. How much is not known any more."""
        gap = Gap(self.end.epoch, 1, self.end.offset, "gone")
        return gap_event(self.key, gap, self.end.offset, timestamp)


class Forgotten:
    """The topics that were forgotten last; of those before them only how far the newest of their events reached."""

    def __init__(self, most: int) -> None:
        """`most`: how many are known one by one."""
        self.unknown = 0
        """A topic that is not known any more may have had an event of this number, none has had one of a higher."""
        self._most = most
        self._former: dict[tuple[str, str, str], Former] = {}
        """By channel, topic and epoch, in the order in which they were forgotten."""
        self._of_owner: Groups[tuple[str, str], Former] = Groups()

    def note(self, log: Log) -> None:
        """The log is dropped."""
        if not log.tail:
            return
        former = Former(log.key, log.position, log.newest)
        self._former[log.key.channel, log.key.topic, log.epoch] = former
        self._of_owner.add((log.key.channel, log.key.owner), former)
        if len(self._former) > self._most:
            oldest = self._former.pop(next(iter(self._former)))
            self._of_owner.discard((oldest.key.channel, oldest.key.owner), oldest)
            self.unknown = max(self.unknown, oldest.number)

    def ended_at(self, channel: str, topic: str, position: Position) -> Former | None:
        """The topic that has had nothing after the position."""
        former = self._former.get((channel, topic, position.epoch))
        return former if former is not None and former.end == position else None

    def since(self, number: int, channel: str, owner: str | None) -> Iterator[Former]:
        """Those that said something after there were so many events: `owner`'s and everybody's; all if it is None."""
        if owner is None:
            found = (former for former in self._former.values() if former.key.channel == channel)
        else:
            groups = {(channel, ""), (channel, owner)}
            found = (former for group in groups for former in self._of_owner.of(group))
        return (former for former in found if former.number > number)
