"""What is kept of a feed beside its own events: how far each source was taken in, and how things stood then."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import msgspec

from actors.event import ChannelKey
from actors.log import Log
from actors.position import Position
from actors.store import Record, Store, own_kind
from actors.unreadable import UNREADABLE

_log = logging.getLogger("callboard.feeds")

_BEGUN = "begun "
_HEARD = "heard"
_PART = "part "
_SOURCE = "source "
_USED = "used"
_DAY_MS = 24 * 3600 * 1000


class FeedRecord:
    """Records of a kind of their own, so that those of one feed are found without a look at all others.

    They are kept in the same commit as the events that were made of the sources: what is kept of a feed is always how
    it stood at one moment.
    """

    def __init__(self, key: ChannelKey) -> None:
        self.kind = own_kind(key)
        self._key = key
        self.begun: set[str] = set()
        """The channels of which it is noted what there was before."""
        self.cursors: dict[ChannelKey, int] = {}
        """Of every source, also of those that have ended, up to where it was taken in."""
        self.heard: Position | None = None
        self.used_at = 0
        """When somebody used it last, to the day, in Unix milliseconds; 0 where that is not known."""
        self._moved: dict[ChannelKey, None] = {}

    def load(self, rows: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
        """Takes up what was kept, and returns the parts of the projection. A record that is damaged is reported, and
        done without."""
        parts: dict[str, bytes] = {}
        for name, body in rows:
            if name.startswith(_PART):
                parts[name.removeprefix(_PART)] = body
                continue
            try:
                self._take_up(name, body)
            except UNREADABLE:
                _log.exception("the record %s of %s cannot be read", name, self._key)
        return parts

    def is_unread(self, log: Log) -> bool:
        """Whether the topic holds something that was not taken in."""
        return self.cursors.get(log.key, 0) < log.tail

    def begin(self, channel: str) -> Record:
        self.begun.add(channel)
        return Record(self.kind, _BEGUN + channel, b"")

    def move(self, source: ChannelKey, offset: int) -> None:
        """The source is taken in up to there. Will be among the next changes."""
        self.cursors[source] = offset
        self._moved[source] = None

    def know(self, source: ChannelKey, offset: int) -> Record:
        """The source is new, and nothing up to there concerns the feed."""
        self.cursors[source] = offset
        return Record(self.kind, _name(source), msgspec.msgpack.encode(offset))

    def forget(self, source: ChannelKey) -> tuple[Record, ...]:
        """The source is no more."""
        self._moved.pop(source, None)
        if self.cursors.pop(source, None) is None:
            return ()
        return (Record(self.kind, _name(source), None),)

    def use(self, now: int) -> tuple[Record, ...]:
        """It is used at this time, in Unix milliseconds."""
        if now - self.used_at < _DAY_MS:
            return ()
        self.used_at = now
        return (used(self._key, now),)

    def hear(self, position: Position) -> tuple[Record, ...]:
        """Somebody has heard the feed up to there."""
        if self.heard == position:
            return ()
        self.heard = position
        return (Record(self.kind, _HEARD, msgspec.msgpack.encode(position)),)

    def changes(self, parts: Mapping[str, bytes | None]) -> tuple[Record, ...]:
        """All that has moved since the last call, and the parts of the projection that have changed; None for one that
        is no more."""
        moved, self._moved = self._moved, {}
        cursors = (Record(self.kind, _name(key), msgspec.msgpack.encode(self.cursors[key])) for key in moved)
        return (*cursors, *(Record(self.kind, _PART + name, body) for name, body in parts.items()))

    def _take_up(self, name: str, body: bytes) -> None:
        """Raises what is UNREADABLE."""
        if name.startswith(_SOURCE):
            self.cursors[_source(name)] = msgspec.msgpack.decode(body, type=int)
        elif name.startswith(_BEGUN):
            self.begun.add(name.removeprefix(_BEGUN))
        elif name == _USED:
            self.used_at = max(self.used_at, msgspec.msgpack.decode(body, type=int))
        elif name == _HEARD:
            self.heard = msgspec.msgpack.decode(body, type=Position)


def used(key: ChannelKey, now: int) -> Record:
    """The feed was used at that time, in Unix milliseconds."""
    return Record(own_kind(key), _USED, msgspec.msgpack.encode(now))


async def used_at(key: ChannelKey, store: Store) -> int:
    """When a feed that is kept was used last, in Unix milliseconds; 0 where that is not known. Raises
    actors.store.StoreError."""
    body = await store.record(own_kind(key), _USED)
    try:
        return 0 if body is None else msgspec.msgpack.decode(body, type=int)
    except UNREADABLE:
        return 0


def _name(source: ChannelKey) -> str:
    return _SOURCE + msgspec.json.encode(source).decode()


def _source(name: str) -> ChannelKey:
    return msgspec.json.decode(name.removeprefix(_SOURCE), type=ChannelKey)
