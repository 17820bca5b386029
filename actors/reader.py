"""Reads topics by cursor, for an actor inside the engine: what an outbox is to a connection."""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.channels import Channels
from actors.event import ChannelKey, Event
from actors.log import Log
from actors.resumption import Gap, Resumption
from actors.store import StoreError
from actors.task_events import is_over

_READ_EVENTS = 256
_READ_BYTES = 256 * 1024
_STORE_PAUSE = 0.5
"""Seconds until a page that could not be read is asked for again."""


class _Cursor:
    __slots__ = ("gap", "log", "offset")

    def __init__(self, log: Log, start: Resumption) -> None:
        self.log = log
        self.offset = start.offset
        self.gap = start.gap


class Reader:
    """Cursors into any number of topics.

    Nothing is queued: an append only marks its topic, and the events are read from its log once their reader gets to
    it. So a slow reader costs a cursor a topic, and what the retention drops meanwhile is told as an event `gap`.
    """

    def __init__(self, channels: Channels, is_heard: Callable[[], bool] = lambda: True) -> None:
        """`is_heard`: whether what is read reaches somebody now."""
        self._channels = channels
        self._is_heard = is_heard
        self._cursors: dict[ChannelKey, _Cursor] = {}
        self._marked: dict[ChannelKey, None] = {}
        self._news = trio.Event()

    def __contains__(self, key: ChannelKey) -> bool:
        return key in self._cursors

    def __len__(self) -> int:
        """How many topics are read."""
        return len(self._cursors)

    @property
    def is_heard(self) -> bool:
        return self._is_heard()

    def add(self, key: ChannelKey, start: Resumption) -> None:
        """Reads the topic from there on. One that is read already goes on where it is."""
        if key not in self._cursors:
            self._cursors[key] = _Cursor(self._channels.watch(key, self), start)
            self.notice(key)

    def remove(self, key: ChannelKey) -> None:
        """Idempotent. Nothing more of the topic is read."""
        if self._cursors.pop(key, None) is not None:
            self._marked.pop(key, None)
            self._channels.unwatch(key, self)

    def offset_of(self, key: ChannelKey) -> int:
        """The last event of the topic that was read; 0 for one that is not read."""
        cursor = self._cursors.get(key)
        return 0 if cursor is None else cursor.offset

    def is_behind(self, key: ChannelKey, offset: int) -> bool:
        """Whether a topic that is read has not been read up to there."""
        cursor = self._cursors.get(key)
        return cursor is not None and cursor.offset < offset

    def remove_if_over(self, key: ChannelKey) -> None:
        """Lets go of a topic to which nothing is added any more, once all of it has been read."""
        cursor = self._cursors.get(key)
        if cursor is not None and is_over(cursor.log) and cursor.offset == cursor.log.tail:
            self.remove(key)

    def close(self) -> None:
        for key in tuple(self._cursors):
            self.remove(key)

    def notice(self, key: ChannelKey) -> None:
        self._marked[key] = None
        self._news.set()

    async def read(self) -> list[Event]:
        """The next events of one topic, in order, at least one of them. Cancelled, it loses none."""
        await trio.lowlevel.checkpoint()
        while True:
            while self._marked:
                key = next(iter(self._marked))
                del self._marked[key]
                if self._is_cold(key):
                    # Cancelled meanwhile it is still marked.
                    self._marked[key] = None
                    events = await self._read_page(key)
                else:
                    events = self._read(key)
                if events:
                    return events
            self._news = trio.Event()
            await self._news.wait()

    def _read(self, key: ChannelKey) -> list[Event]:
        cursor = self._cursors[key]
        log = cursor.log
        gap, cursor.gap = cursor.gap, None
        if gap is None and (gap := log.missed(cursor.offset)) is not None:
            cursor.offset = gap.last
        if gap is not None:
            return self._tell(key, cursor, gap)
        return self._advance(key, cursor, log.read(cursor.offset, max_events=_READ_EVENTS, max_bytes=_READ_BYTES))

    def _is_cold(self, key: ChannelKey) -> bool:
        cursor = self._cursors[key]
        return cursor.gap is None and cursor.log.is_cold(cursor.offset)

    async def _read_page(self, key: ChannelKey) -> list[Event]:
        """What is not in memory any more; nothing where it cannot be read now, or is not wanted any more."""
        cursor = self._cursors[key]
        try:
            events = await cursor.log.page(cursor.offset, max_events=_READ_EVENTS, max_bytes=_READ_BYTES)
        except StoreError:
            await trio.sleep(_STORE_PAUSE)
            return []
        if self._cursors.get(key) is not cursor:
            return []
        self._marked.pop(key, None)
        return self._advance(key, cursor, events)

    def _advance(self, key: ChannelKey, cursor: _Cursor, page: list[Event]) -> list[Event]:
        events = list(cursor.log.with_gaps(cursor.offset, page))
        if events:
            cursor.offset = events[-1].offset
        if cursor.offset < cursor.log.tail:
            self._marked[key] = None
        return events

    def _tell(self, key: ChannelKey, cursor: _Cursor, gap: Gap) -> list[Event]:
        self._marked[key] = None
        return [cursor.log.gap_event(gap, cursor.offset)]
