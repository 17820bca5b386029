"""A task of an earlier life of the engine that does not run any more: it has ended, or is to be ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import trio

from actors.agent import Message
from actors.commands import AnswerToolCall, CancelTask, ConfirmStep, PostEvents, Receipt, TaskCommand
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, now_ms
from actors.principal import Principal
from actors.session import Session
from actors.task_handle import TaskHandle
from actors.task_past import Past
from actors.task_record import Ending, TaskRecord, question_of
from actors.task_services import TaskServices


class PastOutcome(msgspec.Struct, frozen=True):
    """How a task that does not run any more has ended or is to end. `posts`: the keys of what its agent posted."""

    past: Past
    outcome: Ending
    posts: tuple[str, ...]


class PastTask(TaskHandle):
    """What it had said joins its session, by the rule for every task that did not complete."""

    def __init__(
        self,
        record: TaskRecord,
        key: ChannelKey,
        services: TaskServices,
        ended: Callable[[], None],
        session: Session | None,
        past: PastOutcome,
    ) -> None:
        super().__init__(record, key, services, ended, session)
        self._past = past.past
        self._outcome = past.outcome
        self._posts = past.posts

    def ask_nowait(self, principal: Principal, command: TaskCommand) -> Receipt:
        if isinstance(command, PostEvents) and command.idempotency_key in self._posts:
            return self._receipt()  # Sent again, because its answer was lost.
        if self.record.is_ended:
            return self._answer_ended(command)
        match command:
            case CancelTask():
                return self._receipt()
            case ConfirmStep() | AnswerToolCall():
                self.record.questions.refuse_late(*question_of(command))
            case _:
                pass
        raise CallboardError(ErrorCode.CONFLICT, f"task {self.record.id} is ending")

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        await trio.lowlevel.checkpoint()
        return self.ask_nowait(principal, command)

    async def _work(self) -> None:
        await self._finish(self._outcome)

    def _take_stock(self, ending: Ending) -> Sequence[Message]:
        past, task_id = self._past, self.record.id
        said = list(past.said)
        if not past.turn and self.record.started_at is not None and (prompt := self.record.command.prompt):
            # The engine fell between the start and the first turn: what was asked was heard all the same.
            said.append(Message("user", prompt, task_id, self.record.started_at))
        if past.text:
            said.append(Message("assistant", past.text, task_id, now_ms()))
        return said
