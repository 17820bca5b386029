"""A task of an earlier life of the engine that does not run any more: it has ended, or is to be ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import trio

from actors.agent import Message
from actors.commands import CancelTask, PostEvents, Receipt, TaskCommand
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, now_ms
from actors.principal import Principal
from actors.session import Session
from actors.task_context import TaskServices
from actors.task_handle import TaskHandle
from actors.task_past import Past
from actors.task_record import Ending, TaskRecord


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
        if isinstance(command, CancelTask):
            return self._receipt()
        raise CallboardError(ErrorCode.CONFLICT, f"task {self.record.id} is ending")

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        await trio.lowlevel.checkpoint()
        return self.ask_nowait(principal, command)

    async def _work(self) -> None:
        await self._finish(self._outcome)

    def _take_stock(self, ending: Ending) -> Sequence[Message]:
        past = self._past
        if not past.text:
            return past.said
        return (*past.said, Message("assistant", past.text, self.record.id, now_ms()))
