"""Snapshots of topics: what their events come to, kept up to date for those that are asked for again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

import msgspec
import trio

from actors.channels import Channels
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Event, Merge, now_ms
from actors.fold import Fold
from actors.log import Log
from actors.pace import Pace
from actors.redaction import Redaction
from actors.snapshot_base import BASE, FOLDS, Base, base_id, base_record, read_base
from actors.store import Compaction, Record, StoreError

SNAPSHOT = "snapshot"
"""The type of the event that stands for all up to its place."""

_PAGE_EVENTS = 512
_PAGE_BYTES = 256 * 1024


class Bases(Protocol):
    """Where the bases are kept."""

    async def record(self, kind: str, name: str) -> bytes | None:
        """As actors.store.Store.record."""
        ...


class SnapshotsOptions(msgspec.Struct, frozen=True):
    """`cached`: topics whose fold is held. Beyond it the one unused for longest goes, and is folded anew when asked
    for."""

    cached: int = 256


class Snapshots:
    """A fold per topic that somebody asked for: who asks next costs the events that came since.

    Without bases, as in an engine that keeps nothing, a snapshot holds what the log held when it was first asked for,
    and says from which event on.
    """

    def __init__(self, channels: Channels, bases: Bases | None = None, options: SnapshotsOptions | None = None) -> None:
        self._channels = channels
        self._bases = bases
        self._most = (options or SnapshotsOptions()).cached
        self._cache: OrderedDict[ChannelKey, _Folded] = OrderedDict()
        self.folding = trio.Lock()
        """Of those who write bases: held from the fold until its base is kept, so that no base replaces a newer one."""

    async def take(self, key: ChannelKey) -> Event:
        """All of the topic up to its tail as one event, `snapshot`, at the place of the last one.

        Nothing is appended between its making and the return: who subscribes in that step, from its place, misses
        nothing. `first` is above 1 where earlier events are not in it. Raises CallboardError INVALID_PAYLOAD for a
        channel without snapshots, and UNAVAILABLE where the store cannot be read.
        """
        check_channel_folds(key.channel)
        try:
            return (await self._caught_up(key)).event(self._channels.log(key))
        except StoreError as error:
            raise CallboardError(ErrorCode.UNAVAILABLE, f"nothing can be read: {error}", retry_after=2.0) from error

    async def fold_before(self, key: ChannelKey, offset: int) -> Record | None:
        """The base that has to be written in the commit that drops the events up to `offset`; None where none has to.

        To be put into the journal before the next checkpoint: what is taken back meanwhile is taken back in it only
        once it is there. Raises StoreError.
        """
        log = self._channels.peek(key)
        if log is None or key.channel not in FOLDS:
            return None
        folded = await self._folded_up_to(log, min(offset, log.tail))
        return None if folded is None else base_record(key, folded.base())

    async def compact(self, log: Log) -> tuple[Record, Compaction] | None:
        """What has to be committed to leave of a topic its snapshot and its discrete events; None where nothing else is
        kept. As of `fold_before`, to be put into the journal before the next checkpoint. Raises StoreError."""
        folded = await self._folded_up_to(log, log.tail)
        if folded is None or not 0 < folded.passing < log.tail:
            return None
        return base_record(log.key, folded.base()), Compaction(log.key, folded.passing)

    async def _caught_up(self, key: ChannelKey) -> _Folded:
        pace = Pace()
        folded: _Folded | None = None
        while True:
            log = self._channels.log(key)
            # Held here too: others may crowd it out of the cache meanwhile.
            folded = folded or self._cache.get(key)
            if folded is None or not folded.is_of(log):
                folded = await self._begun(log)
                self._remember(key, folded)
            elif folded.offset == log.tail:
                self._remember(key, folded)
                return folded
            elif not await folded.add_page(log.tail):
                folded = await self._begun(log)
            if pace.is_due():
                await pace.step_aside()

    async def _folded_up_to(self, log: Log, offset: int) -> _Folded | None:
        """None where the base holds all of it already."""
        pace = Pace()
        folded = await self._begun(log)
        if folded.offset >= offset:
            return None
        while folded.offset < offset:
            if not (folded.is_of(log) and await folded.add_page(offset)):
                folded = await self._begun(log)
            if pace.is_due():
                await pace.step_aside()
        return folded if folded.is_of(log) else await self._folded_up_to(log, offset)

    async def _begun(self, log: Log) -> _Folded:
        """The fold of what is not kept any more one by one."""
        revision, start = log.revision, max(log.first - 1, log.holes)
        folded = _Folded(log, revision, start)
        if start and self._bases is not None:
            body = await self._bases.record(BASE, base_id(log.key))
            # Without one that cannot be read it begins with what is kept, and says so.
            if body is not None and (found := read_base(log.key, body)) is not None:
                folded.load(*found)
            # That it is no longer under way changes the revision.
            for mask in log.masks:
                folded.redact(mask)
        return folded

    def _remember(self, key: ChannelKey, folded: _Folded) -> None:
        self._cache[key] = folded
        self._cache.move_to_end(key)
        while len(self._cache) > self._most:
            self._cache.popitem(last=False)


class _Folded:
    """The events `first` to `offset` of a log, folded."""

    __slots__ = ("_dumped", "_fold", "_log", "_revision", "_timestamp", "first", "offset", "passing")

    def __init__(self, log: Log, revision: int, start: int) -> None:
        self._log = log
        self._revision = revision
        self._fold: Fold = FOLDS[log.key.channel]()
        self._timestamp = 0
        self._dumped: bytes | None = None
        self.first = start + 1
        self.offset = start
        self.passing = 0
        """The last event that is not discrete."""

    def is_of(self, log: Log) -> bool:
        """Whether it holds what the log holds, up to its place, and the log the rest."""
        is_same = self._log is log and self._revision == log.revision
        return is_same and self.offset >= max(log.first - 1, log.holes)

    def load(self, base: Base, fold: Fold) -> None:
        if base.offset >= self.offset:
            self._fold = fold
            self.first, self.offset, self._timestamp = base.first, base.offset, base.timestamp

    def redact(self, redaction: Redaction) -> None:
        self._fold.redact(self._log.key, redaction)

    async def add_page(self, last: int) -> bool:
        """Adds the next events, none after `last`. False where the store has dropped some of them just now: what they
        came to is in a base."""
        for event in await self._log.page(self.offset, max_events=_PAGE_EVENTS, max_bytes=_PAGE_BYTES):
            if self.offset < last and event.offset > self.offset + 1:
                return False
            # Others may have added some of them meanwhile.
            if self.offset < event.offset <= last:
                self._add(event)
        return True

    def _add(self, event: Event) -> None:
        self._fold.apply(event)
        self.offset, self._timestamp = event.offset, event.timestamp
        self._dumped = None
        if event.merge is not Merge.NEVER:
            self.passing = event.offset

    def base(self) -> Base:
        return Base(self.first, self.offset, self._timestamp, msgspec.Raw(self._dump()))

    def event(self, log: Log) -> Event:
        first = min(self.first, self.offset)
        timestamp = self._timestamp or now_ms()
        return Event(log.key, log.epoch, self.offset, first, SNAPSHOT, self._dump(), Merge.NEVER, "", timestamp)

    def _dump(self) -> bytes:
        if self._dumped is None:
            self._dumped = self._fold.dump()
        return self._dumped


def check_channel_folds(channel: str) -> None:
    """Raises CallboardError INVALID_PAYLOAD for a channel whose topics have no snapshots."""
    if channel not in FOLDS:
        message = f"the channel {channel[:64]!r} has no snapshots: only {' and '.join(FOLDS)} have"
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
