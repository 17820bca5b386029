"""The actor of a topic that is derived from others."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Mapping

import trio

from actors.alone import Alone
from actors.attendance import Attendance
from actors.channels import Channels
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Event
from actors.feed_loader import FeedLoader
from actors.feed_record import FeedRecord
from actors.log import Log
from actors.position import Position
from actors.projection import Projection
from actors.reader import Reader
from actors.redaction import Drop, TaskRedaction
from actors.resumption import Resumption
from actors.retention import Retention
from actors.store import Record, Store
from actors.task_events import is_over

_CATCH_UP_SECONDS = 5.0
_SILENT_EVENTS = 2_000
"""Events of which nothing was said: after so many it is kept how far they were read, so that a restart need not read
more than these again. Far fewer than a topic holds."""


class Feed:
    """Reads its sources by cursor, and appends what its projection makes of them to a log of its own.

    So whatever is numbered, summed up, held back or kept for those who are away is an ordinary topic: it has dense
    offsets and an epoch, and clients follow and resume it like any other. A source that is a task is let go at its last
    event. An event that the projection cannot take is its crash: it is reported, and the restart goes on behind it.

    Where the topic is kept, so are the cursors, in the same commit as what was said of the events: after a crash of the
    engine each event has been taken in once. What was held back then is due again.
    """

    def __init__(
        self,
        key: ChannelKey,
        channels: Channels,
        projection: Projection,
        retention: Retention,
        store: Store | None = None,
        *,
        is_new: bool = True,
    ) -> None:
        """`store`: where the feed is kept; None for one that is not. Nothing is kept of one that `is_new`."""
        self.key = key
        self.reader = Reader(channels, lambda: channels.is_heard(key))
        self.projection = projection
        self.attendance = Attendance(self._note_heard)
        self.alone = Alone()
        self._channels = channels
        self._store = store
        self._retention = retention
        self._record = FeedRecord(key)
        self._life: trio.CancelScope | None = None
        self._pause: trio.CancelScope | None = None
        self._closed = False
        self._progress = trio.Event()
        self._ready = trio.Event()
        self._at_ready: list[Callable[[], None]] = []
        self._loader: FeedLoader | None = None
        """Until what was kept is taken up."""
        self._events: deque[Event] = deque()
        """Read, and not taken in. With what follows it outlives a crash."""
        self._drafts: list[Draft] = []
        """Made of events that are taken in, and not handed over yet."""
        self._records: dict[tuple[str, str], Record] = {}
        """What is to be kept with them, by kind and id. It too outlives a crash: kept without it, what was said would
        be said again after a restart."""
        self._silent = 0
        self._is_stale = False
        """What is kept of the state must be kept anew."""
        if is_new:
            self._ready.set()
        elif store is not None:
            self._loader = FeedLoader(key, channels, store, self._record, projection)

    def __contains__(self, source: ChannelKey) -> bool:
        return source in self.reader

    @property
    def is_kept(self) -> bool:
        return self._store is not None

    @property
    def is_ready(self) -> bool:
        """Whether what was kept of it is taken up."""
        return self._ready.is_set()

    @property
    def used_at(self) -> int:
        """When somebody used it last, to the day, in Unix milliseconds."""
        return self._record.used_at

    def note_use(self, now: int) -> None:
        """Somebody uses it, at that time in Unix milliseconds."""
        used = self._record.use(now)
        if self._store is not None:
            self._channels.keeper.note(*used)

    def has_begun(self, channel: str) -> bool:
        """Whether it is kept, and with it which topics of a channel there were when it began."""
        return channel in self._record.begun

    def at_ready(self, action: Callable[[], None]) -> None:
        """Calls it once the feed is ready, which may be at once."""
        if self.is_ready:
            action()
        else:
            self._at_ready.append(action)

    async def ready(self) -> None:
        """Returns once what was kept is taken up. Raises CallboardError UNAVAILABLE where that takes too long."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(_CATCH_UP_SECONDS):
            await self._ready.wait()
        if not self.is_ready:
            raise CallboardError(ErrorCode.UNAVAILABLE, "what was kept cannot be read at the moment", retry_after=2.0)

    def add(self, source: ChannelKey, start: Resumption) -> None:
        """Makes the topic a source: from where it was left, or from `start` on where it is a new one. Idempotent."""

        def add() -> None:
            self._add(source, start)
            if self._store is not None and source not in self._record.cursors:
                # Now, not with the first that is said of it: else it would begin behind what a crash leaves unsaid.
                self._channels.keeper.note(self._record.know(source, start.offset))

        self.at_ready(add)

    def attach(self, source: ChannelKey, start: Resumption) -> None:
        """As `add`, for a ready feed and one of very many topics. What comes to be while the feed is away is all of it
        new; and where nothing is left to be read of a task that is over, it is none."""
        log = self._channels.log(source)
        is_news = self.has_begun(source.channel) and source not in self._record.cursors
        if is_over(log) and self._start(source, log.replay() if is_news else start).offset >= log.tail:
            # There is nothing to be read, and nothing would ever end the reading.
            return
        self._add(source, log.replay() if is_news else start)

    def forget(self, source: ChannelKey) -> None:
        """The topic is no more."""
        self.reader.remove(source)
        self._channels.keeper.note(*self._record.forget(source))

    def begin(self, channel: str, known: Mapping[ChannelKey, int]) -> None:
        """Notes that the channel is followed: of these topics of it nothing is told but what comes after the offset."""
        standing = [self._record.know(key, offset) for key, offset in known.items() if key not in self.reader]
        parts = self._record.changes(self.projection.dump())
        self._channels.keeper.note(self._record.begin(channel), *standing, *parts)

    def is_unread(self, log: Log) -> bool:
        """Whether the topic holds something that was not taken in."""
        return self._record.is_unread(log)

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
            if self._loader is not None and not self._closed:
                await self._take_up(self._loader)
            while not self._closed:
                await self._gather()
                self._project()
                await self._say()
                self._make_progress()
                self.trim(self._retention.events // 8)
        self._make_progress()

    async def catch_up(self, source: ChannelKey, offset: int) -> None:
        """Returns once the projection has all of a source up to that place, and what it says of it is in the log; or
        after some seconds, should its actor be busy with being restarted."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(_CATCH_UP_SECONDS):
            await self._ready.wait()
            while not self._closed and (self._drafts or self.reader.is_behind(source, offset)):
                await self._progress.wait()
            # Where nothing can be kept it comes later.
            with contextlib.suppress(CallboardError):
                await self._channels.keeper.keep()

    async def redact(self, redaction: TaskRedaction) -> None:
        """Takes back what the feed has said of it."""
        with trio.move_on_after(_CATCH_UP_SECONDS):
            await self._ready.wait()
        concerns = self.projection.redact(redaction)
        self._is_stale = True
        if self._pause is not None:
            self._pause.cancel()
        await self._channels.redact(self.key, Drop(concerns))

    def _make_progress(self) -> None:
        self._progress.set()
        self._progress = trio.Event()

    async def _gather(self) -> None:
        """The next events of one source, or none where something is due."""
        if self._events or self._drafts or self._records or self._is_stale:
            await trio.lowlevel.checkpoint()
            return
        with trio.move_on_at(self.projection.due) as self._pause:
            self._events.extend(await self.reader.read())
        self._pause = None
        if self._events:
            # They are all of one topic.
            self.reader.remove_if_over(self._events[-1].key)

    def _project(self) -> None:
        now = trio.current_time()
        while self._events:
            event = self._events.popleft()
            if self._store is not None:
                self._record.move(event.key, event.offset)
            self._silent += 1
            self._drafts += self.projection.project(event, now)
        if self.projection.due <= now:
            self._drafts += self.projection.flush(now)

    async def _say(self) -> None:
        """Hands over what is to be said, with how far it was read. Where nothing is said nothing is written."""
        if not (self._drafts or self._records or self._is_stale or self._silent >= _SILENT_EVENTS):
            return
        if self._store is not None:
            changed = self._record.changes(self.projection.dump()) + self._heard_by_now()
            self._records.update({(record.kind, record.id): record for record in changed})
        self._is_stale, self._silent = False, 0
        if self._drafts or self._records:
            records = tuple(self._records.values())
            await self._channels.emit(self.key, *self._drafts, records=lambda: records)
        self._drafts, self._records = [], {}

    async def _take_up(self, loader: FeedLoader) -> None:
        if not loader.is_loaded:
            await loader.load()
            if self._record.heard is not None:
                self.attendance.hear(self._record.heard)
        await loader.rebuild()
        self._loader = None
        self._ready.set()
        actions, self._at_ready = self._at_ready, []
        for action in actions:
            action()

    def _add(self, source: ChannelKey, start: Resumption) -> None:
        if source in self.reader:
            return
        self.reader.add(source, self._start(source, start))

    def _start(self, source: ChannelKey, start: Resumption) -> Resumption:
        known = self._record.cursors.get(source)
        if known is None:
            return start
        # Beyond its end: it was forgotten meanwhile, and counts from 1 again.
        return Resumption(known if known <= self._channels.log(source).tail else 0, None)

    def _note_heard(self, position: Position) -> None:
        if self._store is not None:
            self._channels.keeper.note(*self._record.hear(position))

    def _heard_by_now(self) -> tuple[Record, ...]:
        """Who is there when the engine crashes never leaves: so it is kept on the way what they were sent."""
        position = Position(self._channels.log(self.key).epoch, self._channels.furthest(self.key))
        if self.attendance.present and position.offset and self.attendance.hear(position):
            return self._record.hear(position)
        return ()

    def trim(self, slack: int = 0) -> None:
        """Lets go of what is beyond the number of events that are kept; not yet of so few as `slack`."""
        log = self._channels.log(self.key)
        floor = log.tail - self._retention.events
        if self._store is not None and floor > log.first - 1 + slack:
            self._channels.let_go(self.key, floor)
