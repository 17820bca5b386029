"""The round over all topics that puts the idle away, drops what is too old and forgets those beyond the limit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from actors.channel import Channel
from actors.event import ChannelKey, now_ms
from actors.pace import Pace
from actors.shelf import Shelf
from actors.topic_table import TopicTable


class TopicSweep:
    """In slices: others run meanwhile, and topics may open, be used and be forgotten."""

    def __init__(
        self, topics: TopicTable, idle_seconds: float, most: int, forget: Callable[[ChannelKey], None]
    ) -> None:
        """`most`: topics that may be on a shelf, as `ChannelsOptions.topics`. `forget` is told which go."""
        self._topics = topics
        self._idle_seconds = idle_seconds
        self._most = most
        self._forget = forget
        self._holds: dict[str, Callable[[ChannelKey], bool]] = {}

    def hold(self, channel: str, holds: Callable[[ChannelKey], bool]) -> None:
        """The topics of that channel of which `holds` says so go with what they belong to, and not because there are
        too many."""
        self._holds[channel] = holds

    async def run(self) -> None:
        """One round. It also starts the actors that could not be started when they had something to do. Called now and
        then, one at a time."""
        await trio.lowlevel.checkpoint()
        now, horizon = now_ms(), trio.current_time() - self._idle_seconds
        pace = Pace()
        live = deque(self._topics.live.values())
        while live:
            # Let go of one by one: to free a hundred thousand at once would be a long step of its own.
            channel = live.popleft()
            channel.log.trim(now)
            if channel.has_work:
                channel.wake()
            if channel.last_active < horizon:
                self._put_away(channel)
            if pace.is_due():
                await pace.step_aside()
        for log in self._topics.shelf.logs():
            log.trim(now)
            if pace.is_due():
                await pace.step_aside()
        for shelf in (self._topics.shelf, self._topics.unused):
            await self._forget_oldest(shelf, pace)

    def _put_away(self, channel: Channel) -> None:
        """An idle one, if it is still there."""
        key = channel.key
        if self._topics.live.get(key) is not channel:
            return
        if not channel.is_deserted:
            if channel.running:
                channel.park_nowait()
            return
        channel.close()
        self._topics.take_live(key)
        self._topics.shelve(channel.log)

    async def _forget_oldest(self, shelf: Shelf, pace: Pace) -> None:
        await trio.lowlevel.checkpoint()
        if len(shelf) <= self._most:
            return
        # Found at once: the front of a dict that is emptied from the front takes ever longer to find.
        keys, free = deque(shelf), deque[ChannelKey]()
        held = 0
        while keys:
            key = keys.popleft()
            if self._is_held(key):
                held += 1
            else:
                free.append(key)
            if pace.is_due():
                await pace.step_aside()
        while free and len(shelf) - held > self._most:
            # At a pause it may have been taken into use, or others, so that there is room again.
            if (key := free.popleft()) in shelf and not self._is_held(key):
                self._forget(key)
            if pace.is_due():
                await pace.step_aside()

    def _is_held(self, key: ChannelKey) -> bool:
        holds = self._holds.get(key.channel)
        return holds is not None and holds(key)
