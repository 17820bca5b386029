"""The actor of one live topic whose events are in memory alone: it appends to the log and fans out."""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import TypeAlias, assert_never

import msgspec
import trio

from actors.channel import BATCH_BYTES, Addition, Channel
from actors.errors import CallboardError, ErrorCode
from actors.event import Event
from actors.last_publisher import LastPublisher
from actors.log import Log
from actors.mailbox import Mailbox
from actors.redaction import Redaction
from actors.spawner import Spawner


class Redact(msgspec.Struct, frozen=True, gc=False):
    """Take back also what was appended from the messages ahead of this one."""

    redaction: Redaction


class Park(msgspec.Struct, frozen=True, gc=False):
    """Give up the task if nothing waits behind this message. It starts again with the next event."""


class Fail(msgspec.Struct, frozen=True, gc=False):
    """A turn that was taken in place has crashed: crash in its stead, under the supervisor."""

    error: Exception


Message: TypeAlias = Addition | Redact | Park | Fail


class Turn(Enum):
    """Who takes the next turn."""

    FREE = 0
    """Nothing waits and nobody is in the midst of one: whoever emits may take it in place."""
    TAKEN = 1
    """Taken in place just now. Who emits before that task has stepped aside is joined with its like by the actor."""
    ACTOR = 2
    """Messages wait, or the actor is in the midst of a turn: whoever emits queues up."""


_FREE, _TAKEN, _ACTOR = Turn
"""Looked up once: an enum's member is found the slow way."""


class VolatileChannel(Channel):
    """Its mailbox outlives a crash, too.

    Publishing goes through the mailbox. But while the turn is free and the audience small, who publishes takes the turn
    in place: it appends, encodes and offers in its own task, and no other is woken; a topic that is only ever used so
    has no task at all. It is the same turn. It is one synchronous step, so no other comes between and no cancellation
    leaves half of one. It is taken only where nothing waits in the mailbox, so that it overtakes nothing. And if it
    crashes, the actor crashes and not the publisher: the error is sent to the mailbox, and what was published while it
    restarts queues up behind.
    """

    __slots__ = ("_last_publisher", "_mailbox", "_mailbox_size", "_publisher", "_turn")

    def __init__(
        self, log: Log, mailbox_size: int, supervisor: Spawner, in_place: int, last_publisher: LastPublisher
    ) -> None:
        """`last_publisher`: of all topics."""
        super().__init__(log, supervisor, in_place)
        self._turn = _FREE
        self._last_publisher = last_publisher
        self._publisher = 0
        """The id of the task that took the last turn in place."""
        self._mailbox_size = mailbox_size
        # Made when the first message is sent: where every turn is taken in place none is, and it is 1.7 KiB.
        self._mailbox: Mailbox[Message] | None = None

    @property
    def is_deserted(self) -> bool:
        return not self._has_readers and self._nothing_waits

    @property
    def has_work(self) -> bool:
        return self._audiences.are_behind(self.log.tail) or not self._nothing_waits

    def park_nowait(self) -> None:
        # Where the mailbox is full it is not idle.
        with contextlib.suppress(trio.WouldBlock):
            self._box().ref.send_nowait(Park())
            self._turn = _ACTOR

    async def add(self, addition: Addition) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._turn is _FREE and self._audiences.subscribers <= self._in_place:
            self._take_turn(addition)
            if not self._goes_on():
                # Not a point of cancellation: it has been published.
                await trio.lowlevel.cancel_shielded_checkpoint()
            self._step_aside()
        else:
            if addition.reply is None:
                # What the engine says of itself is never refused: it waits.
                self.wake()
            else:
                self.start()
            self._turn = _ACTOR
            await self._box().ref.send(addition)

    async def redact(self, redaction: Redaction, *, lasting: bool) -> None:
        self.log.redact(redaction, lasting=lasting)
        if self._turn is _ACTOR and not lasting:
            self.wake()
            await self._box().ref.send(Redact(redaction))
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()

    def close(self) -> None:
        # What waits is refused.
        while (waiting := self._next_waiting()) is not None:
            if waiting.reply is not None:
                waiting.reply.fail(CallboardError(ErrorCode.NOT_FOUND, f"{self.key} is gone"))
        self._turn = _ACTOR
        self._box().close()
        self._audiences.dissolve()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        self._audiences.wake_behind(self.log.tail)
        task_status.started()
        self._yield_turn()
        async for message in self._box():
            match message:
                case Addition():
                    await self._audiences.deliver(*self._append_waiting(message))
                case Redact():
                    self.log.redact(message.redaction)
                case Park():
                    if self._nothing_waits:
                        self._turn = _FREE
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
            self._turn = _FREE

    def _goes_on(self) -> bool:
        """Whether who has taken the turn need not let others run. Where several publish in the topic, they are joined
        meanwhile."""
        last, self._publisher = self._publisher, id(trio.lowlevel.current_task())
        return self._last_publisher.note(self._publisher) and last == self._publisher

    def _step_aside(self) -> None:
        if self._turn is _TAKEN:
            self._turn = _FREE

    def _take_turn(self, addition: Addition) -> None:
        """The whole turn, in the publisher's task."""
        self._turn = _TAKEN
        self.last_active = trio.current_time()
        try:
            before = self.log.tail
            events = self._append(addition)
            self._audiences.deliver_at_once(before, events)
        except Exception as error:  # noqa: BLE001  supervision: the crash is the topic's, whoever runs its turn
            # The mailbox is empty, so there is room.
            self._turn = _ACTOR
            self._box().ref.send_nowait(Fail(error))
            self.wake()

    def _append(self, addition: Addition) -> list[Event]:
        events = list(map(self.log.append, addition.drafts))
        if self._watchers:
            self._notify_watchers()
        if addition.reply is not None:
            addition.reply.answer(self.log.position)
        return events

    def _append_waiting(self, first: Addition) -> tuple[int, list[Event]]:
        """Appends `first` and all that waits behind it, and returns the tail from before with what was appended."""
        before = self.log.tail
        events: list[Event] = []
        size = 0
        message: Addition | None = first
        while message is not None:
            appended = self._append(message)
            events += appended
            size += sum(len(event.body) for event in appended)
            message = self._next_waiting() if size < BATCH_BYTES else None
        self.last_active = trio.current_time()
        return before, events

    def _next_waiting(self) -> Addition | None:
        if self._mailbox is None:
            return None
        # A request to park that has a message before it or behind it was overtaken by events.
        with contextlib.suppress(trio.WouldBlock, trio.ClosedResourceError):
            while True:
                message = self._mailbox.receive_nowait()
                if isinstance(message, Addition):
                    return message
                if isinstance(message, Redact):
                    self.log.redact(message.redaction)
        return None
