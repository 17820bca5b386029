"""Reads topics by cursor, for an actor inside the engine: what an outbox is to a connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from actors.channels import Channels
from actors.cursor import advance, read_on, read_page
from actors.event import ChannelKey, Event
from actors.log import Log
from actors.resumption import Resumption
from actors.task_events import is_over

_READ_EVENTS = 256
_READ_BYTES = 256 * 1024


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

    async def read(self) -> Sequence[Event]:
        """The next events of one topic, in order, at least one of them. Cancelled, it loses none."""
        await trio.lowlevel.checkpoint()
        while True:
            while self._marked:
                key = next(iter(self._marked))
                del self._marked[key]
                cursor = self._cursors[key]
                events = read_on(cursor, max_events=_READ_EVENTS, max_bytes=_READ_BYTES)
                if events is None:
                    # Cancelled meanwhile it is still marked.
                    self._marked[key] = None
                    events = await self._read_page(key, cursor)
                else:
                    self._mark_if_behind(key, cursor)
                if events:
                    return events
            self._news = trio.Event()
            await self._news.wait()

    async def _read_page(self, key: ChannelKey, cursor: _Cursor) -> Sequence[Event]:
        """What is not in memory any more; nothing where it cannot be read now, or is not wanted any more."""
        page = await read_page(cursor, max_events=_READ_EVENTS, max_bytes=_READ_BYTES)
        if self._cursors.get(key) is not cursor:
            return []
        self._marked.pop(key, None)
        events = advance(cursor, page)
        self._mark_if_behind(key, cursor)
        return events

    def _mark_if_behind(self, key: ChannelKey, cursor: _Cursor) -> None:
        if cursor.offset < cursor.log.tail:
            self._marked[key] = None
