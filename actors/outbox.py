"""The one way out of a connection: frames now while it keeps up, a cursor into each log while it lags."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec
import trio

from actors.cursor import advance, read_on, read_page
from actors.event import Event
from actors.joined_frames import READ_EVENTS, JoinedFrames, join_frames
from actors.sink import BrokenSink, Sink
from actors.spawner import CannotSpawn, SpawnTask
from actors.subscription import Subscription

_LEFT = -1
"""The cursor of a subscription that was given up: no fan-out stands there, and nothing wakes it."""
_SLICE_BYTES = 16 * 1024
"""How much is written under one deadline: a peer that takes so much in time is slow, and not gone."""


class OutboxOptions(msgspec.Struct, frozen=True):
    """`batch_bytes`: what a lagging reader is sent in one piece. `replies_bytes`: replies that may wait; beyond it the
    one who replies waits. `stall_seconds`: a peer that takes less than 16 KiB in so long is given up."""

    batch_bytes: int = 64 * 1024
    replies_bytes: int = 256 * 1024
    stall_seconds: float = 60.0


class OutboxStatistics(msgspec.Struct, frozen=True):
    lagging: int
    replies_bytes: int
    rest_bytes: int


class Outbox:
    """All bytes of one connection pass here, in whole frames.

    While nothing is pending, what is offered is written to the socket at once and no task exists. When the socket takes
    less than all, the rest of that one write is kept, a writer task starts, and events wait in their logs: the writer
    reads them in batches, merged by class, until every cursor stands at its tail, and ends.
    """

    __slots__ = (
        "_closing",
        "_in_step",
        "_lagging",
        "_options",
        "_replies",
        "_replies_bytes",
        "_rest",
        "_room",
        "_spawn",
        "busy",
        "sink",
        "write_nowait",
    )

    def __init__(self, sink: Sink, spawn: SpawnTask, options: OutboxOptions) -> None:
        """`spawn` starts the writer's task. Who owns that may cancel it: the writer then gives its connection up."""
        self.sink = sink
        self.write_nowait = sink.write_nowait
        """For the audience's loop over those in step. What it does not take is to be given to `not_taken`."""
        self._spawn = spawn
        self._options = options
        self._rest: bytes | memoryview = b""
        # Made when the first one waits: most connections never lag, and an empty deque is a third of a kilobyte.
        self._replies: deque[bytes] | None = None
        self._replies_bytes = 0
        self._lagging: dict[Subscription, None] = {}
        self._in_step: dict[Subscription, None] | None = None
        """The subscriptions that are written to without a look at this outbox: none while it is busy."""
        self._room: trio.Event | None = None
        self._closing = False
        self.busy = False
        """True while a writer runs, and for ever once the connection is broken or closing."""

    def offer(self, subscription: Subscription, before: int, tail: int, frames: bytes) -> bool:
        """Delivers the events after `before` up to `tail`, which `frames` encodes, and returns whether it keeps up.

        A subscription that does not stand at `before`, or whose connection lags, is left to its cursor.
        """
        if self.busy or subscription.offset != before:
            if subscription.offset < tail:
                self.wake(subscription)
            return False
        subscription.offset = tail
        if frames:
            self._write(frames)
        return not self.busy

    def not_taken(self, frames: bytes, taken: int) -> None:
        """Of `frames` the sink took only so many bytes: the rest goes before everything else."""
        self._rest = memoryview(frames)[taken:] if taken else frames
        self._start_writer()

    def fell_in(self, subscription: Subscription) -> None:
        """From now on it is written to without a look at this outbox, until it has fallen out."""
        if self._in_step is None:
            self._in_step = {}
        self._in_step[subscription] = None

    def fell_out(self, subscription: Subscription) -> None:
        if self._in_step is not None:
            del self._in_step[subscription]

    def wake(self, subscription: Subscription) -> None:
        """Has the writer read on from the subscription's cursor."""
        if not self._closing and subscription.offset != _LEFT:
            self._lagging[subscription] = None
            self._start_writer()

    def begin(self, subscription: Subscription, frames: JoinedFrames) -> None:
        """Hands a newcomer at once what it has yet to get, as far as that is in memory and goes into one piece that the
        socket takes; the rest is the writer's."""
        log, offset = subscription.log, subscription.offset
        if subscription.gap is None and not (self.busy or log.missed(offset) or log.is_cold(offset)):
            try:
                end, joined = frames.after(offset, self._options.batch_bytes)
            except Exception:  # noqa: BLE001  supervision: the crash is the writer's, which comes to it as well
                end, joined = offset, b""
            self.offer(subscription, offset, end, joined)
        if subscription.is_behind:
            self.wake(subscription)

    def forget(self, subscription: Subscription) -> None:
        """Nothing more of this subscription is sent, except what is being written already."""
        self._lagging.pop(subscription, None)
        subscription.offset = _LEFT

    @property
    def has_room(self) -> bool:
        """Whether a reply may be put without waiting. Never once the connection is gone."""
        return self._replies_bytes < self._options.replies_bytes and not self._closing

    @property
    def lagging(self) -> tuple[Subscription, ...]:
        """Those that the writer has yet to come to."""
        return tuple(self._lagging)

    async def wait_for_room(self) -> None:
        """Returns when a reply may be put without waiting. Raises BrokenSink once the connection is gone."""
        await trio.lowlevel.checkpoint()
        while self._replies_bytes >= self._options.replies_bytes and not self._closing:
            await self._some_room()
        if self._closing:
            raise BrokenSink

    def put_nowait(self, frame: bytes) -> None:
        """Sends a frame, in order, before waiting events. Once the connection is gone it goes nowhere.

        Whoever answers a client waits for room first; what the engine sends at a bounded rate, as heartbeats, need not.
        """
        if self._closing:
            return
        if self.busy:
            if self._replies is None:
                self._replies = deque()
            self._replies.append(frame)
            self._replies_bytes += len(frame)
        else:
            self._write(frame)

    async def drain(self) -> None:
        """Returns when nothing is pending, or the connection is broken. The caller brings the deadline."""
        while self.busy and not self._closing:
            await self._some_room()
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        """Gives the connection up: all that waits is discarded, the socket is closed at once."""
        self._closing = True
        self._become_busy()
        self._lagging.clear()
        self._replies = None
        self._replies_bytes = 0
        self._rest = b""
        self._make_room()
        self.sink.abort()

    def statistics(self) -> OutboxStatistics:
        return OutboxStatistics(len(self._lagging), self._replies_bytes, len(self._rest))

    def _write(self, data: bytes) -> None:
        # A method in a slot is looked up the slow way where it is called in place.
        write = self.write_nowait
        try:
            taken = write(data)
        except BlockingIOError:
            taken = 0
        except OSError:
            self.abort()
            return
        if taken != len(data):
            self.not_taken(data, taken)

    def _start_writer(self) -> None:
        if not self.busy:
            self._become_busy()
            try:
                self._spawn(self._run_writer)
            except CannotSpawn:
                self.abort()

    def _become_busy(self) -> None:
        self.busy = True
        while self._in_step:
            next(iter(self._in_step)).fall_out()

    async def _run_writer(self) -> None:
        try:
            await self._write_pending()
        except BaseException:
            # Cancelled or crashed, it may leave the peer in mid-frame, and no other writer would come.
            self.abort()
            raise

    async def _write_pending(self) -> None:
        while piece := self._next_piece():
            data = await self._next_page(piece) if isinstance(piece, Subscription) else piece
            if data and not await self._deliver(memoryview(data)):
                self.abort()
                return
        if not self._closing:
            # No checkpoint lies between the last look for work and this: nothing can be offered in between.
            self.busy = False
            self._make_room()

    async def _deliver(self, data: memoryview) -> bool:
        """False where the peer is gone, or has stalled."""
        for start in range(0, len(data), _SLICE_BYTES):
            part = data[start : start + _SLICE_BYTES]
            with trio.move_on_after(self._options.stall_seconds) as patience:
                try:
                    await self.sink.write_all(part)
                except BrokenSink:
                    return False
            if patience.cancelled_caught:
                return False
        return True

    def _next_piece(self) -> bytes | memoryview | Subscription:
        """What to write next, or a subscription whose next events are not in memory; nothing where nothing is due."""
        if self._rest:
            rest, self._rest = self._rest, b""
            return rest
        if self._replies:
            replies = b"".join(self._replies)
            self._replies = None
            self._replies_bytes = 0
            self._make_room()
            return replies
        while self._lagging:
            # Round robin: a subscription that has more goes to the end of the queue.
            subscription = next(iter(self._lagging))
            del self._lagging[subscription]
            if piece := self._catch_up(subscription):
                return piece
        return b""

    def _catch_up(self, subscription: Subscription) -> bytes | Subscription:
        events = read_on(subscription, max_events=READ_EVENTS, max_bytes=self._options.batch_bytes)
        return subscription if events is None else self._frames(subscription, events)

    async def _next_page(self, subscription: Subscription) -> bytes:
        page = await read_page(subscription, max_events=READ_EVENTS, max_bytes=self._options.batch_bytes)
        if not page:
            self.wake(subscription)
        subscription.log.recall(page)
        return self._frames(subscription, advance(subscription, page))

    def _frames(self, subscription: Subscription, events: Sequence[Event]) -> bytes:
        if not events:
            return b""
        if subscription.is_behind:
            self._lagging[subscription] = None
        return join_frames(subscription.encoder, events)

    async def _some_room(self) -> None:
        if self._room is None:
            self._room = trio.Event()
        await self._room.wait()

    def _make_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None
