"""What is true of one conversation: its messages, and whose words are to join them. Decisions only; the actor acts on
them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import msgspec

from actors.agent import Message
from actors.channel import Records
from actors.commands import CreateSession, SessionView
from actors.event import Draft, Json, draft, now_ms
from actors.kept_session import KeptSession, messages_gone, session_record
from actors.message_history import MessageHistory
from actors.position import Position
from actors.redaction import TaskRedaction
from actors.retractions import Retractions
from actors.store import Record
from actors.turn_queue import TurnQueue


class _Joining(msgspec.Struct):
    """A task's words that have joined the conversation and are not in the journal yet: what is kept ahead of them says
    nothing of them. `first` is the place of the first one. The rest is as it was before: how many had been `heard`, how
    many of the conversation `forgotten`, and what was taken back of the task's words."""

    task_id: str
    first: int
    heard: int
    forgotten: int
    retractions: Retractions


class SessionRecord:
    """The state of one conversation."""

    def __init__(self, session_id: str, user_id: str, command: CreateSession, serial: int, max_messages: int) -> None:
        """`serial` counts up over the engine's conversations in the order of their creation."""
        self.id = session_id
        self.user_id = user_id
        self.serial = serial
        self.caller_key = command.key
        self.agent = command.agent
        """Answers commands to the conversation."""
        self.history = MessageHistory(session_id, max_messages)
        self.turns = TurnQueue()
        self._title = command.title
        self._created_at = self._updated_at = now_ms()
        self._expected: set[str] = set()
        """The tasks that have not left yet: to come, waiting, or at their turn."""
        self._retractions = Retractions()
        self._joining: _Joining | None = None

    def take_up(self, kept: KeptSession, messages: Sequence[bytes]) -> None:
        """Goes on as it was kept, `messages` too. For one that is new."""
        self._created_at, self._updated_at = kept.created_at, kept.updated_at
        self.history.take_up(kept.forgotten, messages)
        self.turns.heard = kept.heard
        self._retractions = Retractions(kept.disowned, kept.recalled)

    @property
    def is_expecting(self) -> bool:
        """A task is to come, waits or is at its turn."""
        return bool(self._expected)

    def expects(self, task_id: str) -> bool:
        """Whether the task is to come, or has not left yet."""
        return task_id in self._expected

    def expect(self, task_id: str) -> None:
        """A task is to come."""
        self._expected.add(task_id)

    def forgo(self, task_id: str) -> None:
        """The task that was expected does not come, or has left."""
        self._expected.discard(task_id)
        self._retractions.drop(task_id)

    def redaction_of(self, task_id: str) -> TaskRedaction | None:
        """What is taken back of a task that is expected."""
        return self._retractions.redaction_of(task_id)

    def clear(self) -> tuple[Record, ...]:
        """Forgets what was said; tasks that are expected add nothing to it. Returns what is to be kept."""
        before = self.history.first
        self.history.clear()
        self._retractions.disown(self._expected)
        if self._joining is not None:
            self._joining.retractions.disown([self._joining.task_id])
            self._joining.first = self.history.first
        self._updated_at = now_ms()
        return (*self._known(), *self.history.gone_since(before))

    def redact(self, redaction: TaskRedaction) -> tuple[Record, ...]:
        """Takes back what was said by a task, or also to it, now or once it joins the conversation. Returns what is to
        be kept."""
        if redaction.task_id in self._expected:
            self._retractions.redact(redaction)
        if self._joining is not None and redaction.task_id == self._joining.task_id:
            self._joining.retractions.redact(redaction)
        known = self.history.end if self._joining is None else self._joining.first
        changed = self.history.redact(redaction)
        records = [one for place in changed if place < known for one in self.history.records(place, place + 1)]
        return (*self._known(), *records)

    def join(self, task_id: str, said: Sequence[Message]) -> tuple[list[Draft], Records]:
        """Adds what is new of all that was said in a task, but for what was taken back meanwhile. Returns what tells of
        it, and what is to be kept. What is kept ahead of that says nothing of it, until it `has_joined`."""
        self._joining = _Joining(
            task_id,
            first=self.history.end,
            heard=self.turns.heard,
            forgotten=self.history.first,
            retractions=self._retractions.only(task_id),
        )
        if self.turns.current != task_id:
            return [], self._unchanged
        new, self.turns.heard = said[self.turns.heard :], len(said)
        self._updated_at = now_ms()
        if not self._retractions.admits(task_id):
            return [], self._unchanged
        joined = self._retractions.left_of(task_id, new)
        first, dropped_from = self.history.end, self.history.first
        self.history.add(joined)
        told = [
            draft("message", _told(message, first + count), timestamp=message.timestamp)
            for count, message in enumerate(joined)
        ]
        return told, partial(self._joined, first, first + len(joined), dropped_from)

    def has_joined(self) -> None:
        """It is in the journal."""
        self._joining = None

    @property
    def kept(self) -> Record:
        """What is kept of it beside its messages."""
        return self._kept(self.turns.heard, self.history.first, self._retractions)

    @property
    def gone(self) -> tuple[Record, ...]:
        """The conversation is forgotten."""
        empty = msgspec.structs.replace(self.kept, body=None)
        return (empty, *messages_gone(self.id, self.history.first, self.history.end))

    def view(self, position: Position) -> SessionView:
        """`position`: where its topic begins."""
        return SessionView(
            id=self.id,
            user_id=self.user_id,
            title=self._title,
            agent=self.agent,
            created_at=self._created_at,
            updated_at=self._updated_at,
            messages=self.history.end,
            position=position,
        )

    def _kept(self, heard: int, forgotten: int, retractions: Retractions) -> Record:
        kept = KeptSession(
            serial=self.serial,
            user_id=self.user_id,
            title=self._title,
            agent=self.agent,
            key=self.caller_key,
            created_at=self._created_at,
            updated_at=self._updated_at,
            forgotten=forgotten,
            heard=heard,
            disowned=retractions.disowned,
            recalled=retractions.recalled,
        )
        return session_record(self.id, kept)

    def _known(self) -> tuple[Record, ...]:
        """What is true of it by now, but for words that are on their way."""
        joining = self._joining
        if joining is None:
            return (self.kept,)
        forgotten = min(self.history.first, joining.first)
        kept = self._kept(joining.heard, forgotten, self._retractions | joining.retractions)
        return (kept, *messages_gone(self.id, joining.forgotten, forgotten))

    def _unchanged(self) -> tuple[Record, ...]:
        return (self.kept,)

    def _joined(self, first: int, end: int, dropped_from: int) -> tuple[Record, ...]:
        """What is kept when the messages from one place up to another have joined, as they are by now."""
        return (self.kept, *self.history.records(first, end), *self.history.gone_since(dropped_from))


def _told(message: Message, index: int) -> Json:
    told: dict[str, Json] = {
        "role": message.role,
        "content": message.content,
        "task_id": message.task_id,
        "index": index,
    }
    return {**told, "redacted": True} if message.redacted else told
