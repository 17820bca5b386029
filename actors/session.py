"""The actor of one conversation: its tasks one after the other, its messages in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias, assert_never

import msgspec
import trio

from actors.agent import Message
from actors.alone import Alone
from actors.channel import Addition, Records
from actors.channels import Channels
from actors.commands import CreateSession, SessionView
from actors.event import ChannelKey, Draft, Json, draft, now_ms
from actors.kept_session import (
    KeptSession,
    Recalled,
    message_records,
    messages_gone,
    messages_of,
    session_record,
)
from actors.mailbox import Mailbox, Reply
from actors.redaction import TaskRedaction
from actors.store import Opened, Record


class Enter(msgspec.Struct, frozen=True):
    """A task asks for its turn in the conversation. The reply is all that was said before."""

    task_id: str
    reply: Reply[tuple[Message, ...]]


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


class _Joining(msgspec.Struct):
    """A task's words that have joined the conversation and are not in the journal yet: what is kept ahead of them says
    nothing of them. `first` is the place of the first one. The rest is as it was before: how many had been `heard`, how
    many of the conversation `forgotten`, and whether the task's words join it, or as taken back."""

    task_id: str
    first: int
    heard: int
    forgotten: int
    is_disowned: bool
    redaction: TaskRedaction | None


SessionMessage: TypeAlias = Enter | Hear | Leave


class Session:
    """One conversation. What outlives a crash of its actor is here: the messages and who waits for a turn."""

    def __init__(
        self,
        session_id: str,
        user_id: str,
        command: CreateSession,
        channels: Channels,
        *,
        mailbox: int,
        max_messages: int,
        used: Callable[[Session], None],
    ) -> None:
        """`command.agent` answers commands to the session; of its messages the newest `max_messages` are kept.

        `used` is told whenever it is used, and when it falls idle."""
        self.id = session_id
        self.user_id = user_id
        self.key = ChannelKey("session", session_id, user_id)
        self.caller_key = command.key
        self._messages: list[Message] = []
        self._kept: Sequence[bytes] = ()
        """The messages of an earlier life of the engine, until somebody wants to see them."""
        self.serial = 0
        """Counts up over the engine's conversations in the order of their creation."""
        self.alone = Alone()
        self.running = False
        """Whether the actor has a task, or will have one again after a crash."""
        self.forgotten = 0
        """How many of the oldest messages are no longer kept."""
        self._title = command.title
        self._agent = command.agent
        self._max_messages = max_messages
        self._used = used
        self._channels = channels
        self._created_at = self._updated_at = now_ms()
        self._origin = channels.origin(self.key)
        self._expected: set[str] = set()
        """The tasks that have not left yet: to come, waiting, or at their turn."""
        self._disowned: set[str] = set()
        """Of the expected tasks those whose words are not to join the conversation any more."""
        self._redactions: dict[str, TaskRedaction] = {}
        """Of the expected tasks those whose words are taken back before they have joined it."""
        self._closed = False
        self._current: str | None = None
        self._heard = 0
        """How many messages of the current task have been taken in."""
        self._joining: _Joining | None = None
        self._waiting: deque[Enter] = deque()
        self._line: deque[str] = deque()
        """Of the expected tasks those that have stood here in an earlier life of the engine, in their order."""
        self._mailbox: Mailbox[SessionMessage] = Mailbox(mailbox)
        self._ref = self._mailbox.ref

    @property
    def agent(self) -> str:
        return self._agent

    @property
    def is_expecting(self) -> bool:
        """A task is to come, waits or is at its turn."""
        return bool(self._expected)

    @property
    def is_idle(self) -> bool:
        return not self._expected and self._mailbox.statistics().waiting == 0

    @property
    def opening(self) -> Opened:
        return Opened(self.key, self._origin.epoch)

    @property
    def record(self) -> Record:
        """What is kept of it beside its messages."""
        return self._record(self._heard, self.forgotten, self._disowned, self._redactions)

    def _record(
        self, heard: int, forgotten: int, disowned: set[str], redactions: Mapping[str, TaskRedaction]
    ) -> Record:
        kept = KeptSession(
            serial=self.serial,
            user_id=self.user_id,
            title=self._title,
            agent=self._agent,
            key=self.caller_key,
            created_at=self._created_at,
            updated_at=self._updated_at,
            forgotten=forgotten,
            heard=heard,
            disowned=tuple(sorted(disowned)),
            recalled=tuple(Recalled(name, one.asked) for name, one in redactions.items()),
        )
        return session_record(self.id, kept)

    @property
    def gone(self) -> tuple[Record, ...]:
        """The conversation is forgotten."""
        end = self.forgotten + self._held
        empty = msgspec.structs.replace(self.record, body=None)
        return (empty, *messages_gone(self.id, self.forgotten, end))

    @property
    def messages(self) -> list[Message]:
        """Those that are kept, oldest first."""
        if self._kept:
            self._messages, self._kept = messages_of(self._kept), ()
        return self._messages

    def take_up(self, kept: KeptSession, messages: Sequence[bytes]) -> None:
        """Goes on as it was kept, `messages` too. For a session that is new."""
        self._created_at, self._updated_at = kept.created_at, kept.updated_at
        self.forgotten, self._kept, self._heard = kept.forgotten, messages, kept.heard
        self._disowned = set(kept.disowned)
        self._redactions = {one.task_id: TaskRedaction(one.task_id, one.asked) for one in kept.recalled}

    @property
    def _held(self) -> int:
        """How many messages are kept."""
        return len(self._kept) or len(self._messages)

    def take_up_task(self, task_id: str, *, entered: bool) -> None:
        """A task that had not left; called in the order of the tasks. `entered`: it was at its turn."""
        self.expect(task_id)
        if entered:
            self._current = task_id
        else:
            self._line.append(task_id)

    def forgo(self, task_id: str) -> None:
        """The task that was expected does not come."""
        self._expected.discard(task_id)
        self._disowned.discard(task_id)
        self._redactions.pop(task_id, None)
        self._used(self)

    def expects(self, task_id: str) -> bool:
        """Whether the task is to come, or has not left yet."""
        return task_id in self._expected

    def redaction_of(self, task_id: str) -> TaskRedaction | None:
        """What is taken back of a task that is expected."""
        return self._redactions.get(task_id)

    def expect(self, task_id: str) -> None:
        """A task is to come. Until it has left, the conversation is in use."""
        self._expected.add(task_id)
        self._used(self)

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
        gone = messages_gone(self.id, self.forgotten, self.forgotten + len(self.messages))
        self.forgotten += len(self.messages)
        self.messages.clear()
        self._disowned |= self._expected
        if self._joining is not None:
            self._joining.is_disowned = True
            self._joining.first = self.forgotten
        self._updated_at = now_ms()
        self._note(*gone)
        self._used(self)

    def redact(self, redaction: TaskRedaction) -> None:
        """Takes back what was said by a task, or also to it, now or once it leaves. The messages keep their places, and
        no agent reads them."""
        earlier = self._redactions.get(redaction.task_id)
        if redaction.task_id in self._expected and (earlier is None or not earlier.asked):
            self._redactions[redaction.task_id] = redaction
        if self._joining is not None and redaction.task_id == self._joining.task_id:
            self._joining.redaction = redaction
        left = [_unsaid(message, redaction) for message in self.messages]
        changed = [place for place, message in enumerate(left) if message is not self.messages[place]]
        self._messages = left
        known = len(left) if self._joining is None else self._joining.first - self.forgotten
        records = [
            one
            for place in changed
            if place < known
            for one in message_records(self.id, self.forgotten + place, [left[place]])
        ]
        self._note(*records)

    def left_of(self, told: Sequence[Message]) -> tuple[Message, ...]:
        """Of the conversation as a task was told it what has not been taken back since."""
        gone = {(message.task_id, message.role) for message in self.messages if message.redacted}
        return tuple(message for message in told if (message.task_id, message.role) not in gone)

    def close(self) -> None:
        """It is forgotten: nothing is kept of it any more."""
        self._closed = True
        self._mailbox.close()

    def view(self) -> SessionView:
        return SessionView(
            id=self.id,
            user_id=self.user_id,
            title=self._title,
            agent=self._agent,
            created_at=self._created_at,
            updated_at=self._updated_at,
            messages=self.forgotten + self._held,
            position=self._origin,
        )

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
        self._begin_joining(hear.task_id)
        drafts, joined = self._take_in(hear.task_id, hear.said)
        told = (*hear.before, *drafts, *hear.after)
        try:
            await self._channels.add(hear.task, Addition(self.key, told, joined))
            self._joining = None
        finally:
            # Only now: what the task emits next is kept after this, or not at all.
            hear.reply.answer(None)

    def _begin_joining(self, task_id: str) -> None:
        """Until what is new of a task's words is in the journal."""
        self._joining = _Joining(
            task_id,
            first=self.forgotten + self._held,
            heard=self._heard,
            forgotten=self.forgotten,
            is_disowned=task_id in self._disowned,
            redaction=self._redactions.get(task_id),
        )

    def _take_in(self, task_id: str, said: Sequence[Message]) -> tuple[list[Draft], Records]:
        """Adds what is new to the conversation, but for what was taken back meanwhile. Returns what tells of it, and
        what is to be kept."""
        if self._current != task_id:
            return [], self._unchanged
        new, self._heard = said[self._heard :], len(said)
        self._updated_at = now_ms()
        if task_id in self._disowned:
            return [], self._unchanged
        redaction = self._redactions.get(task_id)
        joined = list(new) if redaction is None else [_unsaid(message, redaction) for message in new]
        first = self.forgotten + len(self.messages)
        dropped_from = self._remember(joined)
        told = [
            draft("message", _told(message, first + count), timestamp=message.timestamp)
            for count, message in enumerate(joined)
        ]
        return told, partial(self._joined, first, first + len(joined), dropped_from)

    def _unchanged(self) -> tuple[Record, ...]:
        return (self.record,)

    def _joined(self, first: int, end: int, dropped_from: int) -> tuple[Record, ...]:
        """What is kept when the messages from one place up to another have joined, as they are by now."""
        kept = max(first, self.forgotten)
        messages = self.messages[kept - self.forgotten : max(kept, end) - self.forgotten]
        gone = messages_gone(self.id, dropped_from, self.forgotten)
        return (self.record, *message_records(self.id, kept, messages), *gone)

    def _remember(self, said: Sequence[Message]) -> int:
        """Returns the first place that may be forgotten over it."""
        self.messages.extend(said)
        before = self.forgotten
        excess = len(self.messages) - self._max_messages
        if excess > 0:
            del self.messages[:excess]
            self.forgotten += excess
        return before

    def _note(self, *records: Record) -> None:
        """What is true of it by now, but for words that are on their way, and the messages that are concerned."""
        if not self._closed:
            self._channels.keeper.note(*self._known(), *records)

    def _known(self) -> tuple[Record, ...]:
        joining = self._joining
        if joining is None:
            return (self.record,)
        forgotten = min(self.forgotten, joining.first)
        disowned = self._disowned | ({joining.task_id} if joining.is_disowned else set())
        redactions = self._redactions
        if joining.redaction is not None:
            redactions = {**redactions, joining.task_id: joining.redaction}
        record = self._record(joining.heard, forgotten, disowned, redactions)
        return (record, *messages_gone(self.id, joining.forgotten, forgotten))

    def _let_in(self, entry: Enter) -> None:
        if entry.task_id == self._current:
            # What it has said itself it knows.
            entry.reply.answer(tuple(message for message in self._told_of if message.task_id != entry.task_id))
        else:
            self._waiting.append(entry)
            self._admit_next()

    @property
    def _told_of(self) -> tuple[Message, ...]:
        return tuple(message for message in self.messages if not message.redacted)

    def _next_waiting(self) -> Enter | None:
        """Who has its turn next; None while those who were first have yet to come again."""
        if not self._line:
            return self._waiting[0] if self._waiting else None
        return next((entry for entry in self._waiting if entry.task_id == self._line[0]), None)

    def _admit_next(self) -> None:
        entry = None if self._current is not None else self._next_waiting()
        if entry is not None:
            self._waiting.remove(entry)
            self._strike_out(entry.task_id)
            self._current, self._heard = entry.task_id, 0
            entry.reply.answer(self._told_of)

    def _strike_out(self, task_id: str) -> None:
        if task_id in self._line:
            self._line.remove(task_id)

    async def _take_leave(self, leave: Leave) -> None:
        if leave.task_id not in self._expected:
            leave.reply.answer(None)
            return
        self._begin_joining(leave.task_id)
        self._expected.discard(leave.task_id)
        drafts, joined = self._take_in(leave.task_id, leave.said)
        self._disowned.discard(leave.task_id)
        self._redactions.pop(leave.task_id, None)
        self._used(self)
        if self._current == leave.task_id:
            self._current, self._heard = None, 0
        else:
            self._waiting = deque(entry for entry in self._waiting if entry.task_id != leave.task_id)
            self._strike_out(leave.task_id)

        def kept() -> tuple[Record, ...]:
            return (*joined(), *(leave.records() if leave.records is not None else ()))

        done: dict[str, Json] = {"exec_id": leave.task_id, "state": leave.state}
        if leave.error is not None:
            done["error"] = leave.error
        drafts.append(draft("done", done))
        try:
            await self._channels.emit(self.key, *drafts, records=kept)
            self._joining = None
        finally:
            # Only now: what the task says after it has left is kept after this, or not at all.
            leave.reply.answer(None)
            self._admit_next()


def _unsaid(message: Message, redaction: TaskRedaction) -> Message:
    if message.task_id != redaction.task_id or not redaction.takes_back(message.role):
        return message
    return msgspec.structs.replace(message, content="", redacted=True)


def _told(message: Message, index: int) -> Json:
    told: dict[str, Json] = {
        "role": message.role,
        "content": message.content,
        "task_id": message.task_id,
        "index": index,
    }
    return {**told, "redacted": True} if message.redacted else told
