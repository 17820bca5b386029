"""The actor of one live topic: it appends to the log and fans out to the subscribers."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from enum import Enum
from typing import TypeAlias, assert_never

import msgspec
import trio

from actors.audiences import Audiences
from actors.childspec import ChildSpec, Restart
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Event
from actors.log import Log
from actors.mailbox import Mailbox, Reply
from actors.position import Position
from actors.redaction import Redaction
from actors.spawner import Spawner, spawn
from actors.subscription import Subscription
from actors.watcher import Watcher

_BATCH_BYTES = 256 * 1024
"""Bodies joined into one fan-out. The frames are shared by all subscribers, so this bounds memory per topic."""


class Append(msgspec.Struct, frozen=True, gc=False):
    """Add the drafts in one piece. The reply is the position of the last one, once it is in the log."""

    drafts: tuple[Draft, ...]
    reply: Reply[Position] | None


class Redact(msgspec.Struct, frozen=True, gc=False):
    """Take back also what was appended from the messages ahead of this one."""

    redaction: Redaction


class Park(msgspec.Struct, frozen=True, gc=False):
    """Give up the task if nothing waits behind this message. It starts again with the next event."""


class Fail(msgspec.Struct, frozen=True, gc=False):
    """A turn that was taken in place has crashed: crash in its stead, under the supervisor."""

    error: Exception


Message: TypeAlias = Append | Redact | Park | Fail


class Turn(Enum):
    """Who takes the next turn."""

    FREE = 0
    """Nothing waits and nobody is in the midst of one: whoever emits may take it in place."""
    TAKEN = 1
    """Taken in place just now. Who emits before that task has stepped aside is joined with its like by the actor."""
    ACTOR = 2
    """Messages wait, or the actor is in the midst of a turn: whoever emits queues up."""


class Channel:
    """The handle on one topic, and the state that outlives a crash of its actor: log, mailbox, subscribers.

    Publishing goes through the mailbox. Subscribing does not: it reads the log and takes a cursor in one synchronous
    step, which no append can come between.

    While the turn is free and the audience small, who publishes takes the turn in place: it appends, encodes and offers
    in its own task, and no other is woken; a topic that is only ever used so has no task at all. It is the same turn.
    It is one synchronous step, so no other comes between and no cancellation leaves half of one. It is taken only where
    nothing waits in the mailbox, so that it overtakes nothing. And if it crashes, the actor crashes and not the
    publisher: the error is sent to the mailbox, and what was published while it restarts queues up behind.
    """

    __slots__ = (
        "_audiences",
        "_in_place",
        "_mailbox",
        "_mailbox_size",
        "_supervisor",
        "_turn",
        "_watchers",
        "last_active",
        "log",
        "running",
    )

    def __init__(self, log: Log, mailbox_size: int, supervisor: Spawner, in_place: int) -> None:
        """`in_place`: the largest audience, in subscribers, for which a turn is taken in place; -1 for never."""
        self.log = log
        self.last_active = trio.current_time()
        self.running = False
        """Whether the actor has a task, or will have one again after a crash."""
        self._supervisor = supervisor
        self._in_place = in_place
        self._turn = Turn.FREE
        self._mailbox_size = mailbox_size
        # Made when the first message is sent: where every turn is taken in place none is, and it is 1.7 KiB.
        self._mailbox: Mailbox[Message] | None = None
        self._audiences = Audiences()
        self._watchers: dict[Watcher, None] = {}

    @property
    def key(self) -> ChannelKey:
        return self.log.key

    @property
    def subscribers(self) -> int:
        return self._audiences.subscribers

    @property
    def is_deserted(self) -> bool:
        """No reader and nothing to append: the topic can be put away without anyone noticing."""
        return not self._audiences and not self._watchers and self._nothing_waits

    @property
    def is_heard(self) -> bool:
        """Whether what is said here reaches somebody now: a subscriber, or the audience of one who watches."""
        return bool(self._audiences) or any(watcher.is_heard for watcher in self._watchers)

    @property
    def has_work(self) -> bool:
        """Something waits to be appended, or a subscriber has not been offered all there is."""
        return self._audiences.are_behind(self.log.tail) or not self._nothing_waits

    def park_nowait(self) -> None:
        """Asks an idle actor to give up its task. Nothing happens where the mailbox is full: it is not idle then."""
        with contextlib.suppress(trio.WouldBlock):
            self._box().ref.send_nowait(Park())
            self._turn = Turn.ACTOR

    async def submit(self, *drafts: Draft) -> Reply[Position]:
        """Hands the drafts over, waiting while the mailbox is full; cancelled meanwhile, nothing is appended.

        The reply is the last event's position, once it is in the log.
        """
        reply: Reply[Position] = Reply()
        await self._publish(Append(drafts, reply))
        return reply

    def emit(self, *drafts: Draft) -> Awaitable[None]:
        """As `submit`, without a reply; in order with every other call from the same task."""
        return self._publish(Append(drafts, None))

    async def redact(self, redaction: Redaction, *, lasting: bool) -> None:
        """Takes back what is in the log, at once, and what waits to be appended; `lasting`, also all that is published
        later."""
        self.log.redact(redaction, lasting=lasting)
        if self._turn is Turn.ACTOR and not lasting:
            self.start()
            await self._box().ref.send(Redact(redaction))
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def subscribe(self, subscription: Subscription) -> None:
        """From its cursor on, the subscription gets everything. Nothing is sent before this call."""
        self._audiences.add(subscription, self.log.tail)

    def unsubscribe(self, subscription: Subscription) -> bool:
        """Whether it was subscribed. Not one more event reaches the connection, also from a fan-out under way."""
        self.last_active = trio.current_time()
        return self._audiences.remove(subscription)

    def watch(self, watcher: Watcher) -> None:
        """Idempotent."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: Watcher) -> None:
        """Idempotent."""
        self._watchers.pop(watcher, None)

    def close(self) -> None:
        """Ends the actor. What waits is refused; whoever sends from now on gets trio.BrokenResourceError."""
        while (waiting := self._next_waiting()) is not None:
            if waiting.reply is not None:
                waiting.reply.fail(CallboardError(ErrorCode.NOT_FOUND, f"{self.key} is gone"))
        self._turn = Turn.ACTOR
        self._box().close()
        self._audiences.dissolve()

    def start(self) -> None:
        """Gives the actor a task, unless it has one. Raises CallboardError BUSY where the supervisor takes none."""
        if not self.running:
            spawn(self._supervisor, ChildSpec(f"channel {self.key}", self.run, Restart.TRANSIENT))
            self.running = True

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. After a crash it goes on from the log: whoever the last fan-out missed reads on by cursor."""
        self._audiences.wake_behind(self.log.tail)
        task_status.started()
        self._yield_turn()
        async for message in self._box():
            match message:
                case Append():
                    await self._audiences.deliver(*self._append_waiting(message))
                case Redact():
                    self.log.redact(message.redaction)
                case Park():
                    if self._nothing_waits:
                        self._turn = Turn.FREE
                        break
                case Fail(error):
                    raise error
                case _:
                    assert_never(message)
            self._yield_turn()
        self.running = False

    @property
    def _nothing_waits(self) -> bool:
        return self._mailbox is None or self._mailbox.statistics().waiting == 0

    def _box(self) -> Mailbox[Message]:
        if self._mailbox is None:
            self._mailbox = Mailbox(self._mailbox_size)
        return self._mailbox

    def _yield_turn(self) -> None:
        # No checkpoint lies between this and the wait for the next message.
        if self._nothing_waits:
            self._turn = Turn.FREE

    async def _publish(self, append: Append) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._turn is Turn.FREE and self._audiences.subscribers <= self._in_place:
            self._take_turn(append)
            # Not a point of cancellation: it has been published.
            await trio.lowlevel.cancel_shielded_checkpoint()
            self._step_aside()
        else:
            self.start()
            self._turn = Turn.ACTOR
            await self._box().ref.send(append)

    def _step_aside(self) -> None:
        if self._turn is Turn.TAKEN:
            self._turn = Turn.FREE

    def _take_turn(self, append: Append) -> None:
        """The whole turn, in the publisher's task."""
        self._turn = Turn.TAKEN
        self.last_active = trio.current_time()
        try:
            before = self.log.tail
            events = self._append(append)
            self._audiences.deliver_at_once(before, events)
        except Exception as error:  # noqa: BLE001  supervision: the crash is the topic's, whoever runs its turn
            # The mailbox is empty, so there is room.
            self._turn = Turn.ACTOR
            self._box().ref.send_nowait(Fail(error))
            # Refused now, it crashes when it is started next, by whoever publishes next.
            with contextlib.suppress(CallboardError):
                self.start()

    def _append(self, append: Append) -> list[Event]:
        events = [self.log.append(draft) for draft in append.drafts]
        # Copied: one that is told may go by that.
        for watcher in tuple(self._watchers):
            watcher.notice(self.log.key)
        if append.reply is not None:
            append.reply.answer(self.log.position)
        return events

    def _append_waiting(self, first: Append) -> tuple[int, list[Event]]:
        """Appends `first` and all that waits behind it, and returns the tail from before with what was appended."""
        before = self.log.tail
        events: list[Event] = []
        size = 0
        message: Append | None = first
        while message is not None:
            appended = self._append(message)
            events += appended
            size += sum(len(event.body) for event in appended)
            message = self._next_waiting() if size < _BATCH_BYTES else None
        self.last_active = trio.current_time()
        return before, events

    def _next_waiting(self) -> Append | None:
        if self._mailbox is None:
            return None
        # A request to park that has a message before it or behind it was overtaken by events.
        with contextlib.suppress(trio.WouldBlock, trio.ClosedResourceError):
            while True:
                message = self._mailbox.receive_nowait()
                if isinstance(message, Append):
                    return message
                if isinstance(message, Redact):
                    self.log.redact(message.redaction)
        return None
