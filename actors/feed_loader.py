"""How a feed comes back from the store: how far it has read, and the state of its projection."""

from __future__ import annotations

import contextlib
import logging
from collections import deque

import trio

from actors.channels import Channels
from actors.errors import CallboardError
from actors.event import ChannelKey
from actors.feed_record import FeedRecord
from actors.log import Log
from actors.projection import Projection
from actors.store import Store, StoreError
from actors.task_events import is_over
from actors.unreadable import UNREADABLE

_log = logging.getLogger("callboard.feeds")

_STORE_PAUSE = 0.5
"""Seconds until what could not be read is asked for again."""
_PAGE_EVENTS = 512
_PAGE_BYTES = 256 * 1024


class FeedLoader:
    """The state is what the projection dumped, or what it makes of the sources up to the cursors, where what it says is
    thrown away. Where an event is the projection's crash, a call again goes on behind it."""

    def __init__(
        self, key: ChannelKey, channels: Channels, store: Store, record: FeedRecord, projection: Projection
    ) -> None:
        self.is_loaded = False
        """Whether `rebuild` is next."""
        self._key = key
        self._channels = channels
        self._store = store
        self._record = record
        self._projection = projection
        self._rebuild: deque[tuple[ChannelKey, int]] = deque()
        """The sources that are yet to be taken in, the one that began first in front, and up to where they are."""

    async def load(self) -> None:
        """Fills the record, and the projection with what it has dumped. Waits while the store cannot be read."""
        parts = self._record.load(await self._rows())
        try:
            self._projection.load(parts)
        except UNREADABLE:
            # Kept by another version, perhaps. Without it the feed begins anew; with it nothing would ever begin.
            _log.exception("what was kept of %s cannot be read", self._key)
        for source in [source for source in self._record.cursors if not self._channels.exists(source)]:
            self._channels.keeper.note(*self._record.forget(source))
        needed = [log for source in self._record.cursors if (log := self._needed(source)) is not None]
        begun = {log.key: await _begun_at(log) for log in needed}
        self._rebuild.extend((key, 0) for key in sorted(begun, key=begun.__getitem__))
        self.is_loaded = True

    async def rebuild(self) -> None:
        """Has the projection take in what it did not dump."""
        while self._rebuild:
            source, after = self._rebuild[0]
            if not await self._rebuild_from(source, after):
                self._rebuild.popleft()

    async def _rows(self) -> list[tuple[str, bytes]]:
        """Once all that an earlier feed of the name has said is kept."""
        while True:
            try:
                await self._channels.keeper.keep()
                return await self._store.records(self._record.kind)
            except (StoreError, CallboardError):
                await trio.sleep(_STORE_PAUSE)

    def _needed(self, source: ChannelKey) -> Log | None:
        """The log of a source without which the projection's state is not complete."""
        log = self._channels.peek(source) if self._projection.is_rebuilt_from(source) else None
        return log if log is not None and (not is_over(log) or self._record.is_unread(log)) else None

    async def _rebuild_from(self, source: ChannelKey, after: int) -> bool:
        """A page of what was taken in. Whether there may be another one."""
        log, until = self._channels.peek(source), self._record.cursors.get(source, 0)
        if log is None:
            return False
        try:
            events = await log.page(after, max_events=_PAGE_EVENTS, max_bytes=_PAGE_BYTES)
        except StoreError:
            await trio.sleep(_STORE_PAUSE)
            return True
        now = trio.current_time()
        gap = None if events else log.missed(after)
        for event in log.with_gaps(after, events) if gap is None else (log.gap_event(gap, gap.last),):
            if event.offset > until:
                return False
            # Before it is taken in: where it is the projection's crash, the restart goes on behind it.
            self._rebuild[0] = (source, event.offset)
            self._projection.project(event, now)
        return bool(events)


async def _begun_at(log: Log) -> int:
    """When its oldest event was, in Unix milliseconds; 0 where that cannot be told."""
    with contextlib.suppress(StoreError):
        for event in await log.page(log.first - 1, max_events=1, max_bytes=0):
            return event.timestamp
    return 0
