"""The actor of one conversation: its tasks one after the other, its messages in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, assert_never

import msgspec
import trio

from actors.agent import Message
from actors.alone import Alone
from actors.channel import Addition, Records
from actors.channels import Channels
from actors.commands import SessionView
from actors.event import ChannelKey, Draft, Json, draft
from actors.mailbox import Mailbox, Reply
from actors.redaction import TaskRedaction
from actors.session_record import SessionRecord
from actors.store import Opened, Record
from actors.turn_queue import Enter


class Hear(msgspec.Struct, frozen=True):
    """`said` is all that was said in the task so far: what is new of it joins the conversation, between the events
    `before` and `after`. It is kept as one with what is added to the task's own topic."""

    task_id: str
    said: tuple[Message, ...]
    task: Addition
    before: tuple[Draft, ...]
    after: tuple[Draft, ...]
    reply: Reply[None]


class Leave(msgspec.Struct, frozen=True):
    """A task is done with the conversation, or gives up waiting for it; what is new of `said` joins it, and `records`
    are kept with it."""

    task_id: str
    said: tuple[Message, ...]
    state: str
    error: str | None
    records: Records | None
    reply: Reply[None]


SessionMessage: TypeAlias = Enter | Hear | Leave


class Session:
    """One conversation. What outlives a crash of its actor is here: the record and the mailbox."""

    def __init__(
        self, record: SessionRecord, channels: Channels, *, mailbox: int, used: Callable[[Session], None]
    ) -> None:
        """`used` is told whenever it is used, and when it falls idle."""
        self.record = record
        self.id = record.id
        self.user_id = record.user_id
        self.key = ChannelKey("session", record.id, record.user_id)
        self.alone = Alone()
        self.running = False
        """Whether the actor has a task, or will have one again after a crash."""
        self._used = used
        self._channels = channels
        self._origin = channels.origin(self.key)
        self._closed = False
        self._mailbox: Mailbox[SessionMessage] = Mailbox(mailbox)
        self._ref = self._mailbox.ref

    @property
    def is_idle(self) -> bool:
        return not self.record.is_expecting and self._mailbox.statistics().waiting == 0

    @property
    def opening(self) -> Opened:
        return Opened(self.key, self._origin.epoch)

    def view(self) -> SessionView:
        return self.record.view(self._origin)

    def expect(self, task_id: str) -> None:
        """A task is to come. Until it has left, the conversation is in use."""
        self.record.expect(task_id)
        self._used(self)

    def forgo(self, task_id: str) -> None:
        """The task that was expected does not come."""
        self.record.forgo(task_id)
        self._used(self)

    def take_up_task(self, task_id: str, *, entered: bool) -> None:
        """A task that had not left; called in the order of the tasks. `entered`: it was at its turn."""
        self.expect(task_id)
        self.record.turns.take_up(task_id, entered=entered)

    async def enter(self, task_id: str) -> tuple[Message, ...]:
        """Waits for the task's turn and returns the conversation so far. First come, first served.

        Cancelled while it waits, the task must still `leave`. One that had entered in an earlier life of the engine
        is told at once.
        """
        reply: Reply[tuple[Message, ...]] = Reply()
        await self._ref.send(Enter(task_id, reply))
        return await reply.wait()

    async def hear(
        self,
        task_id: str,
        said: Sequence[Message],
        task: Addition,
        *,
        before: Sequence[Draft] = (),
        after: Sequence[Draft] = (),
    ) -> None:
        """Returns once all that was said in the task so far is on its way into the conversation, as one with what the
        task adds to its own topic. Idempotent: a message joins it once. All who follow the conversation are told of it
        as it joins, between the events `before` and `after`."""
        reply: Reply[None] = Reply()
        await self._ref.send(Hear(task_id, tuple(said), task, tuple(before), tuple(after), reply))
        await reply.wait()

    async def leave(
        self,
        task_id: str,
        said: Sequence[Message],
        state: str,
        error: str | None = None,
        *,
        records: Records | None = None,
    ) -> None:
        """As `hear`, for the last time: then it is the next task's turn. What was said is ahead of all that is emitted
        from then on. `error` is why the task failed; the records are kept with what was said. Idempotent: a task
        leaves once."""
        reply: Reply[None] = Reply()
        await self._ref.send(Leave(task_id, tuple(said), state, error, records, reply))
        await reply.wait()

    def clear(self) -> None:
        """Forgets what was said. Tasks that were asked before go on, and add nothing to it."""
        self._note(self.record.clear())
        self._used(self)

    def redact(self, redaction: TaskRedaction) -> None:
        """Takes back what was said by a task, or also to it, now or once it leaves. The messages keep their places, and
        no agent reads them."""
        self._note(self.record.redact(redaction))

    def close(self) -> None:
        """It is forgotten: nothing is kept of it any more."""
        self._closed = True
        self._mailbox.close()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. Ends when its mailbox is closed."""
        task_status.started()
        async for message in self._mailbox:
            self._used(self)
            match message:
                case Enter():
                    self._let_in(message)
                case Hear():
                    await self._hear(message)
                case Leave():
                    await self._take_leave(message)
                case _:
                    assert_never(message)
        self.running = False

    async def _hear(self, hear: Hear) -> None:
        drafts, joined = self.record.join(hear.task_id, hear.said)
        told = (*hear.before, *drafts, *hear.after)
        try:
            await self._channels.add(hear.task, Addition(self.key, told, joined))
            self.record.has_joined()
        finally:
            # Only now: what the task emits next is kept after this, or not at all.
            hear.reply.answer(None)

    def _note(self, records: tuple[Record, ...]) -> None:
        if not self._closed:
            self._channels.keeper.note(*records)

    def _let_in(self, entry: Enter) -> None:
        if entry.task_id == self.record.turns.current:
            # What it has said itself it knows.
            said = self.record.history.readable
            entry.reply.answer(tuple(message for message in said if message.task_id != entry.task_id))
        else:
            self.record.turns.wait(entry)
            self._admit_next()

    def _admit_next(self) -> None:
        if (entry := self.record.turns.admit()) is not None:
            entry.reply.answer(self.record.history.readable)

    async def _take_leave(self, leave: Leave) -> None:
        if not self.record.expects(leave.task_id):
            leave.reply.answer(None)
            return
        drafts, joined = self.record.join(leave.task_id, leave.said)
        self.record.forgo(leave.task_id)
        self._used(self)
        self.record.turns.leave(leave.task_id)

        def kept() -> tuple[Record, ...]:
            return (*joined(), *(leave.records() if leave.records is not None else ()))

        done: dict[str, Json] = {"exec_id": leave.task_id, "state": leave.state}
        if leave.error is not None:
            done["error"] = leave.error
        drafts.append(draft("done", done))
        try:
            await self._channels.emit(self.key, *drafts, records=kept)
            self.record.has_joined()
        finally:
            # Only now: what the task says after it has left is kept after this, or not at all.
            leave.reply.answer(None)
            self._admit_next()
