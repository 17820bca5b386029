"""The actor of a task whose agent runs elsewhere: it is announced, claimed under a lease, and fed by posts."""

from __future__ import annotations

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
    QuestionAnswer,
    Receipt,
    TaskCommand,
    TaskState,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, draft, encode_json
from actors.lease import Lease, LeaseOptions
from actors.post_keys import PostKeys
from actors.posted_events import asked_in, checked_posts, fields_of
from actors.principal import Principal
from actors.questions import Ended, Question
from actors.remote_emitter import RemoteEmitter
from actors.session import Session
from actors.store import Record
from actors.task_events import TASK_ENDS
from actors.task_handle import TaskHandle, failed, started_draft
from actors.task_past import Past
from actors.task_record import Ending, TaskRecord
from actors.task_services import TaskServices
from actors.transcript import Transcript


class RemoteTask(TaskHandle):
    """What is asked of it is decided one by one; where nothing is, its lease and its questions run out."""

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
        self._lease = Lease(options, services.cancel_seconds)
        self._patience = trio.CancelScope()
        self._history: tuple[Message, ...] = ()
        self._announced = False
        self._transcript = Transcript(record.id)
        self._posts = PostKeys(record)
        self._keeper = services.channels.keeper
        self._emitter = RemoteEmitter(record, key, board, session, services.channels, self._transcript)
        self._asks = Asks(self._answer_ended)

    def take_up(self, past: Past, posts: Sequence[str]) -> None:
        """Goes on where an earlier life of the engine has left it. Called before it runs."""
        self._transcript.take_up(past.said, past.text)
        self._announced = self.record.announced
        self._posts.take_up(posts)

    def ask_nowait(self, principal: Principal, command: TaskCommand) -> Receipt | None:
        return self._answer_ended(command) if self.record.is_ended else None

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        if self.record.is_ended:
            await trio.lowlevel.checkpoint()
            return self._answer_ended(command)
        return await self._asks.ask(principal, command)

    async def _work(self) -> None:
        async with trio.open_nursery() as nursery:
            if self.session is not None:
                nursery.start_soon(self._await_turn, self.session)
            else:
                await self._come_forward()
            await self._obey()
            nursery.cancel_scope.cancel()

    async def _await_turn(self, session: Session) -> None:
        """Announces the task once it is its turn in the conversation."""
        self._history = await session.enter(self.record.id)
        if not self.record.is_ending:
            await self._come_forward()

    async def _come_forward(self) -> None:
        if not self._announced:
            await self._announce()
        elif self.record.claimed_by is not None:
            self._renew()
        else:
            self._await_claim()

    async def _announce(self) -> None:
        self._announced = self.record.announced = True
        self._await_claim()
        await self._emitter.announce(self._kept)

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
                return await self._append_turn(prompt)
            case ConfirmStep() | AnswerToolCall():
                await self._take_answer(ask.command, ask.principal)
            case ClaimTask():
                await self._claim(ask.principal)
            case PostEvents():
                await self._post(ask.principal, ask.command)
            case _:
                assert_never(ask.command)
        return self._receipt()

    async def _append_turn(self, prompt: str) -> Receipt:
        self._keeper.check()
        encode_json("prompt", prompt)
        turn = self.record.append_turn(prompt)
        await self._emitter.tell_turn(turn, prompt)
        await self._keeper.keep()
        return self._receipt(turn)

    def _receipt(self, turn: int | None = None) -> Receipt:
        seconds = self._lease.seconds if self.record.claimed_by is not None else None
        receipt, context = super()._receipt(turn), self.record.command.context
        history = self._history if self.session is None else self.session.record.history.left_of(self._history)
        return msgspec.structs.replace(receipt, lease_seconds=seconds, context=context, history=history)

    async def _claim(self, principal: Principal) -> None:
        record = self.record
        if record.claimed_by is not None and record.claimed_by != principal.user_id:
            raise CallboardError(ErrorCode.CONFLICT, f"task {record.id} is claimed already")
        if not self._announced:
            raise CallboardError(ErrorCode.CONFLICT, f"task {record.id} waits for its turn in the conversation")
        if record.claimed_by is None:
            self._keeper.check()
            record.claimed_by = principal.user_id
            record.start()
            await self._emitter.begin((started_draft(record), *self._next_turn()), self._kept)
        await self._keeper.keep()
        self._renew()

    async def _post(self, principal: Principal, command: PostEvents) -> None:
        if self.record.claimed_by != principal.user_id:
            raise CallboardError(ErrorCode.CONFLICT, f"claim task {self.record.id} before posting its events")
        if command.idempotency_key in self._posts:
            await self._keeper.keep()
            return
        self._keeper.check()
        *drafts, last = checked_posts(command.drafts)
        if last.event_type not in TASK_ENDS:
            drafts.append(last)
        posted = self._take_in(drafts)
        keys = self._posts.note(command.idempotency_key)
        self._renew()
        if last.event_type in TASK_ENDS:
            await self._conclude(last, posted, keys)
        else:
            await self._emitter.post(posted, (), keys)
        await self._emitter.settle()

    def _take_in(self, drafts: Sequence[Draft]) -> list[Draft | Question]:
        """What is asked among the drafts is open from now on. Raises CallboardError, and opens nothing."""
        posted = asked_in(drafts, self._services)
        questions = [item for item in posted if isinstance(item, Question)]
        self.record.questions.require_room(len(questions))
        after = self._services.channels.log(self.key).tail
        for question in questions:
            question.after = after
            self._open(question)
        self._transcript.answer([item for item in posted if isinstance(item, Draft)])
        return posted

    def _open(self, question: Question) -> None:
        """Asked once more before it is answered, the later wording and time stand."""
        before = self.record.questions.find(question.kind, question.id)
        if before is not None:
            self.record.questions.end(before, Ended.WITHDRAWN)
        self.record.ask(question)

    async def _conclude(self, last: Draft, posted: Sequence[Draft | Question], keys: tuple[Record, ...]) -> None:
        """The agent's last word: the task's, or the turn's where another turn waits. It is kept with what was posted
        before it, so that the same post again, after the engine has fallen, is not taken for one that is done."""
        fields = fields_of(last)
        result = fields.get("result")
        text = result if isinstance(result, str) else ""
        self._transcript.end_turn(text)
        if self.record.cancel_requested or last.event_type == "task.cancelled":
            await self._end(Ending(TaskState.CANCELLED, reason="requested"), posted, (), keys)
        elif last.event_type == "task.failed":
            cause, message = str(fields.get("cause", "agent_failed")), str(fields.get("error", ""))
            await self._end(failed(cause, message), posted, (), keys)
        else:
            completed: Json = {"task_id": self.record.id, "turn": self.record.turn, "result": text}
            over = draft("task.turn_completed", completed)
            if begun := self._next_turn():
                await self._emitter.post(posted, (over, *begun), keys, begins=True)
            else:
                await self._end(Ending(TaskState.COMPLETED, text, fields.get("data")), posted, (over,), keys)

    async def _end(
        self, ending: Ending, posted: Sequence[Draft | Question], engines: Sequence[Draft], keys: tuple[Record, ...]
    ) -> None:
        await self._emitter.post(posted, engines, keys, ending=ending)
        await self._finish(ending)

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

    async def _take_answer(self, command: QuestionAnswer, principal: Principal) -> None:
        self._keeper.check()
        await self._emitter.tell_outcome(self.record.answer(command, principal.user_id))
        await self._emitter.settle()

    async def _cancel(self) -> None:
        if self.record.request_cancel():
            if self._announced:
                await self._emitter.tell_cancel(self._kept)
            else:
                self._keeper.note(*self._kept())
            if self.record.claimed_by is None:
                await self._finish(Ending(TaskState.CANCELLED, reason="requested"))
            self._renew()
        await self._keeper.keep()

    def _await_claim(self) -> None:
        self._lease.await_claim(trio.current_time())
        self._patience.deadline = self._due

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
            await self._emitter.tell_outcome(question)
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
        if isinstance(command, PostEvents) and command.idempotency_key in self._posts:
            return self._receipt()  # The post that ended the task, sent again because its answer was lost.
        return super()._answer_ended(command)
