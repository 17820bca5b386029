"""The actor of a topic that is derived from others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import trio

from actors.attendance import Attendance
from actors.channels import Channels
from actors.event import ChannelKey, Draft, Event
from actors.reader import Reader
from actors.redaction import Drop, TaskRedaction

_CATCH_UP_SECONDS = 5.0


class Projection(Protocol):
    """What a feed says about the events of its sources. Sync, and without a clock of its own."""

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        """What is said at once. `now` is trio's time."""
        ...

    @property
    def due(self) -> float:
        """When `flush` has something to say that was held back; infinity where nothing is."""
        ...

    def flush(self, now: float) -> Sequence[Draft]:
        """What was held back and is due."""
        ...

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        """Forgets the texts that are taken back, and returns which of the feed's own events hold some of them."""
        ...


class Feed:
    """Reads its sources by cursor, and appends what its projection makes of them to a log of its own.

    So whatever is numbered, summed up, held back or kept for those who are away is an ordinary topic: it has dense
    offsets and an epoch, and clients follow and resume it like any other. A source that is a task is let go at its last
    event. An event that the projection cannot take is its crash: it is reported, and the restart goes on behind it.
    """

    def __init__(self, key: ChannelKey, channels: Channels, projection: Projection) -> None:
        self.key = key
        self.reader = Reader(channels, lambda: channels.is_heard(key))
        self.projection = projection
        self.attendance = Attendance()
        self._channels = channels
        self._life: trio.CancelScope | None = None
        self._closed = False
        self._progress = trio.Event()

    def close(self) -> None:
        """Ends the actor, and lets its sources go."""
        self._closed = True
        self.reader.close()
        if self._life is not None:
            self._life.cancel()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. Ends when it is closed."""
        task_status.started()
        with trio.CancelScope() as self._life:
            while not self._closed:
                events: list[Event] = []
                with trio.move_on_at(self.projection.due):
                    events = await self.reader.read()
                if drafts := self._drafts(events):
                    await self._channels.emit(self.key, *drafts)
                self._make_progress()
        self._make_progress()

    async def catch_up(self, source: ChannelKey, offset: int) -> None:
        """Returns once the projection has all of a source up to that place, and what it says of it is in the log; or
        after some seconds, should its actor be busy with being restarted."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(_CATCH_UP_SECONDS):
            while not self._closed and self.reader.is_behind(source, offset):
                await self._progress.wait()

    async def redact(self, redaction: TaskRedaction) -> None:
        """Takes back what the feed has said of it."""
        await self._channels.redact(self.key, Drop(self.projection.redact(redaction)))

    def _make_progress(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    def _drafts(self, events: Sequence[Event]) -> list[Draft]:
        now = trio.current_time()
        drafts: list[Draft] = []
        if events:
            # They are all of one topic.
            self.reader.remove_if_over(events[-1].key)
        for event in events:
            drafts += self.projection.project(event, now)
        if self.projection.due <= now:
            drafts += self.projection.flush(now)
        return drafts


class NothingHeldBack:
    """The part of a projection that says everything at once."""

    @property
    def due(self) -> float:
        return math.inf

    def flush(self, now: float) -> Sequence[Draft]:
        return ()
