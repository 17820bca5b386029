"""The actor of a task whose agent runs elsewhere: it is announced, claimed under a lease, and fed by posts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import assert_never

import msgspec
import trio

from actors.agent import Message
from actors.asks import Ask, Asks
from actors.commands import (
    AnswerToolCall,
    AppendTurn,
    CancelTask,
    ClaimTask,
    ConfirmStep,
    PostEvents,
    Receipt,
    TaskCommand,
    TaskState,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, draft
from actors.lease import Lease, LeaseOptions
from actors.position import Position
from actors.posted_events import asked_in, checked_posts, fields_of, text_of
from actors.principal import Principal
from actors.questions import Ended, Question
from actors.session import Session
from actors.task_context import (
    ANSWER_TYPE,
    TaskServices,
    session_echo,
    session_prompt,
)
from actors.task_events import TASK_ENDS
from actors.task_handle import TaskHandle, failed, started_draft
from actors.task_record import Ending, TaskRecord
from actors.transcript import Transcript

_REMEMBERED_KEYS = 256


class RemoteTask(TaskHandle):
    def __init__(
        self,
        record: TaskRecord,
        key: ChannelKey,
        services: TaskServices,
        ended: Callable[[], None],
        *,
        board: ChannelKey,
        session: Session | None,
        options: LeaseOptions,
    ) -> None:
        """`board` is the topic on which the agent's tasks are announced."""
        super().__init__(record, key, services, ended, session)
        self._board = board
        self._lease = Lease(options, services.cancel_seconds)
        self._patience = trio.CancelScope()
        self._history: tuple[Message, ...] = ()
        self._announced = False
        self._transcript = Transcript(record.id)
        self._keys: deque[str] = deque(maxlen=_REMEMBERED_KEYS)
        self._asks = Asks(self._answer_ended)

    def ask_nowait(self, principal: Principal, command: TaskCommand) -> Receipt | None:
        return self._answer_ended(command) if self.record.is_ended else None

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        if self.record.is_ended:
            await trio.lowlevel.checkpoint()
            return self._answer_ended(command)
        return await self._asks.ask(principal, command)

    async def _work(self) -> None:
        async with trio.open_nursery() as nursery:
            if self._session is not None:
                nursery.start_soon(self._await_turn, self._session)
            else:
                await self._announce()
            await self._obey()
            nursery.cancel_scope.cancel()

    async def _await_turn(self, session: Session) -> None:
        """Announces the task once it is its turn in the conversation."""
        self._history = await session.enter(self.record.id)
        if not self.record.is_ending:
            await self._announce()

    async def _announce(self) -> None:
        self._announced = True
        self._lease.await_claim(trio.current_time())
        self._patience.deadline = self._due
        command = self.record.command
        data: Json = {
            "task_id": self.record.id,
            "prompt": command.prompt,
            "context": command.context,
            "session_id": command.session_id,
            "user_id": self.record.user_id,
        }
        await self._tell_agent("task.available", data)

    async def _obey(self) -> None:
        while not self.record.is_ended:
            ask = None
            self._patience = trio.CancelScope(deadline=self._due)
            with self._patience:
                ask = await self._asks.receive()
            if ask is None:
                await self._pass_time()
                continue
            try:
                ask.reply.answer(await self._decide(ask))
            except CallboardError as refusal:
                ask.reply.fail(refusal)

    async def _decide(self, ask: Ask) -> Receipt:
        match ask.command:
            case CancelTask():
                await self._cancel()
            case AppendTurn(prompt=prompt):
                turn = self.record.append_turn(prompt)
                await self._tell_agent("task.turn", {"task_id": self.record.id, "turn": turn, "prompt": prompt})
                return self._receipt(turn)
            case ConfirmStep() | AnswerToolCall():
                await self._tell_outcome(self.record.answer(ask.command, ask.principal.user_id))
            case ClaimTask():
                await self._claim(ask.principal)
            case PostEvents():
                await self._post(ask.principal, ask.command)
            case _:
                assert_never(ask.command)
        return self._receipt()

    def _receipt(self, turn: int | None = None) -> Receipt:
        seconds = self._lease.seconds if self.record.claimed_by is not None else None
        receipt, context = super()._receipt(turn), self.record.command.context
        return msgspec.structs.replace(receipt, lease_seconds=seconds, context=context, history=self._history)

    async def _claim(self, principal: Principal) -> None:
        record = self.record
        if record.claimed_by is not None and record.claimed_by != principal.user_id:
            raise CallboardError(ErrorCode.CONFLICT, f"task {record.id} is claimed already")
        if not self._announced:
            raise CallboardError(ErrorCode.CONFLICT, f"task {record.id} waits for its turn in the conversation")
        if record.claimed_by is None:
            record.claimed_by = principal.user_id
            record.start()
            await self._services.channels.emit(self.key, started_draft(record), *self._next_turn())
            await self._echo_prompt()
        self._renew()

    async def _post(self, principal: Principal, command: PostEvents) -> None:
        if self.record.claimed_by != principal.user_id:
            raise CallboardError(ErrorCode.CONFLICT, f"claim task {self.record.id} before posting its events")
        if command.idempotency_key is not None and command.idempotency_key in self._keys:
            return
        *drafts, last = checked_posts(command.drafts)
        if last.event_type not in TASK_ENDS:
            drafts.append(last)
        if drafts:
            await self._add(drafts)
        if command.idempotency_key is not None:
            self._keys.append(command.idempotency_key)
        self._renew()
        if last.event_type in TASK_ENDS:
            await self._conclude(last)

    async def _add(self, posted: Sequence[Draft]) -> None:
        """Adds what was posted to the topic: what is asked in it is open from then on."""
        items = asked_in(posted, self._services)
        questions = [item for item in items if isinstance(item, Question)]
        drafts = [item.asked if isinstance(item, Question) else item for item in items]
        self.record.questions.require_room(len(questions))
        after = self._services.channels.log(self.key).tail
        for question in questions:
            question.after = after
            self._open(question)
        self._transcript.answer(drafts)
        end = (await self._append(*drafts)).offset
        for offset, item in enumerate(items, end - len(items) + 1):
            if isinstance(item, Question):
                item.offset = offset
        await self._echo(drafts)

    def _open(self, question: Question) -> None:
        """Asked once more before it is answered, the later wording and time stand."""
        before = self.record.questions.find(question.kind, question.id)
        if before is not None:
            self.record.questions.end(before, Ended.WITHDRAWN)
        self.record.ask(question)

    async def _echo(self, drafts: Sequence[Draft]) -> None:
        answers = [one for one in drafts if one.event_type == ANSWER_TYPE]
        if self._session is not None and answers:
            echoes = [session_echo(one, text_of(one), self.record.id) for one in answers]
            await self._services.channels.emit(self._session.key, *echoes)

    async def _echo_prompt(self) -> None:
        if self._session is not None:
            await self._session.hear(self.record.id, self._transcript.said)
            prompt = session_prompt(self.record.id, self.record.turn, self._transcript.said[-1].content)
            await self._services.channels.emit(self._session.key, prompt)

    async def _conclude(self, last: Draft) -> None:
        """The agent's last word: the task's, or the turn's where another turn waits."""
        fields = fields_of(last)
        result = fields.get("result")
        text = result if isinstance(result, str) else ""
        self._transcript.end_turn(text)
        if self.record.cancel_requested or last.event_type == "task.cancelled":
            await self._finish(Ending(TaskState.CANCELLED, reason="requested"))
        elif last.event_type == "task.failed":
            cause, message = str(fields.get("cause", "agent_failed")), str(fields.get("error", ""))
            await self._finish(failed(cause, message))
        else:
            completed: Json = {"task_id": self.record.id, "turn": self.record.turn, "result": text}
            await self._services.channels.emit(self.key, draft("task.turn_completed", completed))
            begun = self._next_turn()
            if begun:
                await self._services.channels.emit(self.key, *begun)
                await self._echo_prompt()
            else:
                await self._finish(Ending(TaskState.COMPLETED, text, fields.get("data")))

    def _take_stock(self, ending: Ending) -> Sequence[Message]:
        self._transcript.end_turn()
        return self._transcript.said

    def _next_turn(self) -> tuple[Draft, ...]:
        prompt = self.record.take_last_turn()
        if prompt is None:
            return ()
        self._transcript.ask(prompt)
        data: Json = {"task_id": self.record.id, "turn": self.record.turn, "prompt": prompt}
        return (draft("task.turn_started", data),)

    async def _tell_outcome(self, question: Question) -> None:
        """Tells all who watch, and the agent, what became of it."""
        if question.settled is None:
            raise ValueError(f"{question.id} is open")
        told = question.settled.told
        await self._append(told)
        await self._tell_agent(told.event_type, {"task_id": self.record.id, **fields_of(told)})

    async def _cancel(self) -> None:
        if not self.record.request_cancel():
            return
        if self._announced:
            await self._tell_agent("task.cancel", {"task_id": self.record.id})
        if self.record.claimed_by is None:
            await self._finish(Ending(TaskState.CANCELLED, reason="requested"))
        self._renew()

    def _renew(self) -> None:
        self._lease.renew(trio.current_time(), stopping=self.record.cancel_requested)
        self._patience.deadline = self._due

    @property
    def _due(self) -> float:
        """When there is something to do though nobody asks for anything."""
        return min(self._lease.deadline, self.record.questions.deadline)

    async def _pass_time(self) -> None:
        for question in self.record.questions.due(trio.current_time()):
            self.record.end_question(question, Ended.EXPIRED)
            await self._tell_outcome(question)
        if trio.current_time() >= self._lease.deadline:
            await self._run_out()

    async def _run_out(self) -> None:
        if self.record.cancel_requested:
            await self._finish(Ending(TaskState.CANCELLED, reason="abandoned"))
        elif self.record.claimed_by is None:
            await self._finish(failed("unclaimed", "no agent claimed the task in time"))
        else:
            await self._finish(failed("abandoned", "the agent that had claimed the task fell silent"))

    def _close(self, ending: Ending) -> None:
        super()._close(ending)
        self._asks.close()

    def _answer_ended(self, command: TaskCommand) -> Receipt:
        if isinstance(command, PostEvents) and command.idempotency_key in self._keys:
            return self._receipt()  # The post that ended the task, sent again because its answer was lost.
        return super()._answer_ended(command)

    async def _append(self, *drafts: Draft) -> Position:
        """Returns once they are in the log."""
        reply = await self._services.channels.submit(self.key, *drafts)
        return await reply.wait()

    async def _tell_agent(self, event_type: str, data: Json) -> None:
        await self._services.channels.emit(self._board, draft(event_type, data))
