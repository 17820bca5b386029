"""What is told of a task whose agent runs in this process: on its topic, in order, and in its session."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial

import trio

from actors.agent import Message
from actors.channel import Addition
from actors.channels import Channels
from actors.event import ChannelKey, Draft
from actors.kept_questions import asked_records, settled_records
from actors.mailbox import Reply
from actors.position import Position
from actors.questions import Question, Settled
from actors.session import Session
from actors.store import Record
from actors.task_record import TaskRecord


class TaskEmitter:
    """What is due goes ahead of the next event, and is kept with it: the beginning of a turn, and what became of a
    question. Closed, it refuses everything."""

    __slots__ = ("_beginning", "_channels", "_closed", "_due", "_key", "_record", "_said", "_session")

    def __init__(
        self,
        record: TaskRecord,
        key: ChannelKey,
        channels: Channels,
        session: Session | None,
        said: Sequence[Message],
    ) -> None:
        """`said` grows with the run: the messages that join the session as a turn begins."""
        self._record = record
        self._key = key
        self._channels = channels
        self._session = session
        self._said = said
        self._due = _Due()
        self._beginning: trio.Event | None = None
        """A turn is about to begin: nothing else goes ahead of that."""
        self._closed = False

    @property
    def has_due(self) -> bool:
        return bool(self._due.drafts)

    def begin_turn(self, begun: Draft, prompt: Draft) -> None:
        """Both are due: `begun` on the task's topic, `prompt` on the session's."""
        self._due.drafts.append(begun)
        self._due.prompts.append(prompt)

    def note_settled(self, settled: Settled) -> None:
        """What became of a question is due."""
        self._due.drafts.append(settled.told)
        self._due.records += settled_records(self._record, settled)

    def close(self) -> None:
        self._closed = True

    def emit(self, *drafts: Draft, echo: Draft | None = None) -> Awaitable[None]:
        """`echo`: what the session's topic is told, as one with that. Raises RuntimeError once it is closed."""
        if self._session is None and not self._due.drafts and self._beginning is None and not self._closed:
            # Most of what is ever emitted: nothing goes ahead of it, and nobody else is told.
            return self._channels.emit(self._key, *drafts)
        return self._emit_due(drafts, echo)

    async def append(self, *items: Draft | Question) -> Reply[Position]:
        """As `emit`; the reply comes once they are in the log."""
        reply: Reply[Position] = Reply()
        due = await self._take_due()
        questions = [*due.drafts, *items]
        drafts = [item.asked if isinstance(item, Question) else item for item in questions]
        located = partial(asked_records, self._record, questions)
        await self._add(due, Addition(self._key, tuple(drafts), due.kept, located, reply, patient=True))
        return reply

    async def keep(self, emitted: Draft) -> None:
        """As `emit`; returns once it is kept."""
        await (await self.append(emitted)).wait()

    async def _emit_due(self, drafts: tuple[Draft, ...], echo: Draft | None) -> None:
        due = await self._take_due()
        await self._add(due, Addition(self._key, (*due.drafts, *drafts), due.kept), echo)

    async def _add(self, due: _Due, addition: Addition, echo: Draft | None = None) -> None:
        session, channels = self._session, self._channels
        echoes = () if echo is None else (echo,)
        if session is None:
            await channels.add(addition)
        elif due.prompts:
            self._beginning = begun = trio.Event()
            try:
                await session.hear(self._record.id, self._said, addition, after=(*due.prompts, *echoes))
            finally:
                self._beginning = None
                begun.set()
        elif echoes:
            await channels.add(addition, Addition(session.key, echoes))
        else:
            await channels.add(addition)

    async def _take_due(self) -> _Due:
        """What goes ahead of the next event."""
        while self._beginning is not None:
            await self._beginning.wait()
        if self._closed:
            raise RuntimeError(f"task {self._record.id} has ended: nothing can be emitted any more")
        if not self._due.drafts:
            return self._due
        due, self._due = self._due, _Due()
        return due


class _Due:
    """What is to go ahead of the next event: on the task's topic, what is kept with that, and on the session's."""

    __slots__ = ("drafts", "prompts", "records")

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.records: list[Record] = []
        self.prompts: list[Draft] = []

    def kept(self) -> tuple[Record, ...]:
        return tuple(self.records)
