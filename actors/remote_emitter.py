"""What is told of a task whose agent runs elsewhere: on its topic, in its conversation, and to its agent."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

import msgspec

from actors.answer_events import ANSWER_TYPE, session_echo, session_prompt
from actors.channel import Addition, Records
from actors.channels import Channels
from actors.event import ChannelKey, Draft, Json, draft
from actors.kept_questions import asked_records, settled_records
from actors.kept_task import task_record, turn_record
from actors.mailbox import Reply
from actors.position import Position
from actors.posted_events import fields_of, text_of
from actors.questions import Question
from actors.session import Session
from actors.store import Record
from actors.task_record import Ending, TaskRecord
from actors.transcript import Transcript


class Sent(msgspec.Struct, frozen=True, eq=False):
    """Of `count` events on their way to the log, `posted` are the first."""

    reply: Reply[Position]
    count: int
    posted: tuple[Draft | Question, ...] = ()

    def place(self, last: int) -> None:
        """They are in the log, up to this offset."""
        for offset, item in enumerate(self.posted, last - self.count + 1):
            if isinstance(item, Question):
                item.offset = offset


class RemoteEmitter:
    """What concerns several of them is told as one: no fall of the engine comes between."""

    def __init__(
        self,
        record: TaskRecord,
        key: ChannelKey,
        board: ChannelKey,
        session: Session | None,
        channels: Channels,
        transcript: Transcript,
    ) -> None:
        """`board` is the topic on which the agent is told of its tasks; `transcript` has what joins the session."""
        self._record = record
        self._key = key
        self._board = board
        self._session = session
        self._channels = channels
        self._transcript = transcript
        self._sent: deque[Sent] = deque()

    async def announce(self, records: Records) -> None:
        """The agent may claim the task."""
        command = self._record.command
        data: dict[str, Json] = {
            "prompt": command.prompt,
            "context": command.context,
            "session_id": command.session_id,
            "user_id": self._record.user_id,
        }
        await self._tell_agent("task.available", data, records)

    async def tell_turn(self, turn: int, prompt: str) -> None:
        """The agent is asked one more thing."""
        await self._tell_agent("task.turn", {"turn": turn, "prompt": prompt}, partial(self._kept_turn, turn, prompt))

    async def tell_cancel(self, records: Records) -> None:
        """The agent is to stop."""
        await self._tell_agent("task.cancel", {}, records)

    async def tell_outcome(self, question: Question) -> None:
        """All who watch, and the agent, hear what became of it."""
        if question.settled is None:
            raise ValueError(f"{question.id} is open")
        told, records = question.settled.told, settled_records(self._record, question.settled)
        reply: Reply[Position] = Reply()
        self._sent.append(Sent(reply, 1))
        to_agent = draft(told.event_type, {"task_id": self._record.id, **fields_of(told)})
        to_all = Addition(self._key, (told,), lambda: records, reply=reply, patient=True)
        # As one: an agent that was not told of an answer would wait for one that nobody can give any more.
        await self._channels.add(to_all, Addition(self._board, (to_agent,)))

    async def begin(self, drafts: tuple[Draft, ...], records: Records) -> None:
        """The first turn begins."""
        await self._begin_turn(Addition(self._key, drafts, records))

    async def post(
        self,
        posted: Sequence[Draft | Question],
        engines: Sequence[Draft],
        records: tuple[Record, ...],
        *,
        ending: Ending | None = None,
        begins: bool = False,
    ) -> None:
        """In one piece: what the agent posted, and what the engine adds to it; what the conversation hears of it, too.
        With it a turn `begins`, or does not; the task is to end with it as `ending` says."""
        drafts = tuple(item.asked if isinstance(item, Question) else item for item in posted)

        def kept() -> tuple[Record, ...]:
            return (*records, task_record(self._record, ending)) if records or ending is not None else ()

        if not (drafts or engines):
            self._channels.keeper.note(*kept())
            return
        reply: Reply[Position] = Reply()
        every = (*posted, *engines)
        located = partial(asked_records, self._record, every)
        self._sent.append(Sent(reply, len(every), tuple(posted)))
        said = Addition(self._key, (*drafts, *engines), kept, located, reply, patient=True)
        if begins:
            await self._begin_turn(said, self._echoes(drafts))
        else:
            await self._tell_all(said, self._echoes(drafts))

    async def settle(self) -> None:
        """Returns once all that was told is kept, and each question knows its place. Raises CallboardError UNAVAILABLE
        where it has to wait for that."""
        await self._channels.keeper.keep()
        while self._sent:
            self._sent[0].place((await self._sent[0].reply.wait()).offset)
            self._sent.popleft()

    def _echoes(self, drafts: Sequence[Draft]) -> tuple[Draft, ...]:
        answers = [one for one in drafts if one.event_type == ANSWER_TYPE]
        return tuple(session_echo(one, text_of(one), self._record.id) for one in answers)

    async def _tell_all(self, said: Addition, echoes: tuple[Draft, ...]) -> None:
        if self._session is not None and echoes:
            await self._channels.add(said, Addition(self._session.key, echoes))
        else:
            await self._channels.add(said)

    async def _begin_turn(self, said: Addition, echoes: tuple[Draft, ...] = ()) -> None:
        if self._session is None:
            await self._channels.add(said)
            return
        words = self._transcript.said
        prompt = session_prompt(self._record.id, self._record.turn, words[-1].content)
        await self._session.hear(self._record.id, words, said, before=echoes, after=(prompt,))

    async def _tell_agent(self, event_type: str, data: dict[str, Json], records: Records) -> None:
        told = draft(event_type, {"task_id": self._record.id, **data})
        await self._channels.emit(self._board, told, records=records)

    def _kept_turn(self, turn: int, prompt: str) -> tuple[Record, ...]:
        redaction = self._record.redaction
        is_gone = redaction is not None and redaction.asked
        return (turn_record(self._record.id, turn, "" if is_gone else prompt),)
