"""The actor of one run of an agent, in its own cancel scope."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

import msgspec
import trio

from actors.agent import Agent, AgentError, Result
from actors.commands import (
    AppendTurn,
    CancelTask,
    ClaimTask,
    ConfirmStep,
    PostEvents,
    Receipt,
    TaskCommand,
    TaskError,
    TaskState,
    TaskView,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, draft, now_ms
from actors.mailbox import Mailbox, Reply
from actors.model import ModelError
from actors.outcome import Raised, Returned, outcome_of
from actors.principal import Principal
from actors.session import Session
from actors.task_context import RunningContext, TaskServices
from actors.task_record import Ending, TaskRecord
from actors.task_reports import AgentCrashed, AgentOverstays, TaskReporter

_MAILBOX = 64
_LAST_WORDS_SECONDS = 2.0
"""How long a task that the engine stops may take to say that it ended."""


class Ask(msgspec.Struct, frozen=True):
    """A command to the task, already known to be allowed."""

    principal: Principal
    command: TaskCommand
    reply: Reply[Receipt]


def terminal_draft(record: TaskRecord, ending: Ending) -> Draft:
    """The last event of a task."""
    data: dict[str, Json] = {"task_id": record.id, "turns": record.turn}
    if record.started_at is not None:
        data["duration_ms"] = now_ms() - record.started_at
    match ending.state:
        case TaskState.COMPLETED:
            return draft("task.completed", {**data, "result": ending.result, "data": ending.data})
        case TaskState.CANCELLED:
            return draft("task.cancelled", {**data, "reason": ending.reason})
        case TaskState.FAILED:
            error = ending.error or TaskError("unknown", "")
            return draft("task.failed", {**data, "error": error.message, "cause": error.cause})
        case _:
            raise ValueError(f"{ending.state} ends no task")


def failed(cause: str, message: str) -> Ending:
    return Ending(TaskState.FAILED, error=TaskError(cause, message))


def started_draft(record: TaskRecord) -> Draft:
    """The first event of a task."""
    data: Json = {"task_id": record.id, "agent": record.command.agent, "session_id": record.command.session_id}
    return draft("task.started", data)


class TaskHandle:
    """The handle on one task, whoever runs it: how it stands, and the way to ask something of it."""

    def __init__(self, record: TaskRecord, key: ChannelKey, services: TaskServices, ended: Callable[[], None]) -> None:
        self.record = record
        self.key = key
        self._services = services
        self._ended = ended
        self._mailbox: Mailbox[Ask] = Mailbox(_MAILBOX)
        self._ref = self._mailbox.ref

    def view(self) -> TaskView:
        return self.record.view()

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        """Raises CallboardError as the record refuses; a cancellation is idempotent and never refused."""
        if self.record.is_ended:
            await trio.lowlevel.checkpoint()
            return self._answer_ended(command)
        reply: Reply[Receipt] = Reply()
        try:
            await self._ref.send(Ask(principal, command, reply))
        except trio.BrokenResourceError:
            return self._answer_ended(command)
        return await reply.wait()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        raise NotImplementedError

    def _receipt(self, turn: int | None = None) -> Receipt:
        position = self._services.channels.log(self.key).position
        return Receipt(task=self.view(), position=position, turn=turn, cancel_requested=self.record.cancel_requested)

    def _answer_ended(self, command: TaskCommand) -> Receipt:
        if isinstance(command, CancelTask):
            return self._receipt()
        raise CallboardError(ErrorCode.CONFLICT, f"task {self.record.id} has ended: it is {self.record.state}")

    async def _end(self, ending: Ending) -> None:
        """Says the last word, and answers whoever came too late."""
        await self._services.channels.publish(self.key, terminal_draft(self.record, ending))
        self.record.finish(ending)
        self._ended()
        while True:
            try:
                ask = self._mailbox.receive_nowait()
            except trio.WouldBlock:
                break
            try:
                ask.reply.answer(self._answer_ended(ask.command))
            except CallboardError as refusal:
                ask.reply.fail(refusal)
        self._mailbox.close()


class LocalTask(TaskHandle):
    """A task whose agent runs in this process."""

    def __init__(
        self,
        record: TaskRecord,
        key: ChannelKey,
        services: TaskServices,
        ended: Callable[[], None],
        *,
        agent: Agent,
        session: Session | None,
        reporter: TaskReporter,
    ) -> None:
        super().__init__(record, key, services, ended)
        self._agent = agent
        self._session = session
        self._reporter = reporter
        self._scope = trio.CancelScope()
        self._context = RunningContext(record, key, services)
        self._stopped = trio.Event()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor: ends by itself once the agent has really stopped and the last event is in the log."""
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, nursery)
                ending = await self._run_agent()
                self._stopped.set()
                await self._leave_session(ending)
                await self._end(ending)
                nursery.cancel_scope.cancel()
        finally:
            if not self.record.is_ended:
                await self._say_last_words()

    async def _run_agent(self) -> Ending:
        record = self.record
        with self._scope:
            outcome = await outcome_of(self._converse, self._report_crash)
        self._context.close()
        if record.cancel_requested:
            # Who asked decides: an agent that makes an error or a result of its cancellation was still cancelled.
            if not self._scope.cancelled_caught and isinstance(outcome, Raised):
                self._report_crash(outcome.error)
            return Ending(TaskState.CANCELLED, reason="requested")
        match outcome:
            case Returned(value=result):
                return Ending(TaskState.COMPLETED, result.text, result.data)
            case Raised(error=AgentError() | ModelError() as error):
                return failed(error.cause, error.message)
            case Raised(error=error):
                self._report_crash(error)
                return failed("agent_crashed", f"{type(error).__name__}: {error}")
            case _:
                assert_never(outcome)

    async def _converse(self) -> Result:
        """Runs the agent for each turn in order until none waits, and returns what the last one came to."""
        record, context = self.record, self._context
        if self._session is not None:
            context.remember(await self._session.enter(record.id))
        record.start()
        await self._services.channels.emit(self.key, started_draft(record))
        result = Result("")
        while (prompt := record.take_last_turn()) is not None:
            context.begin_turn(prompt)
            await context.flush()
            result = _checked(await self._agent(context))
            await context.flush()
            context.end_turn(result.text)
            completed: Json = {"task_id": record.id, "turn": record.turn, "result": result.text}
            await self._services.channels.emit(self.key, draft("task.turn_completed", completed))
        return result

    async def _obey(self, nursery: trio.Nursery) -> None:
        async for ask in self._mailbox:
            try:
                ask.reply.answer(self._decide(ask, nursery))
            except CallboardError as refusal:
                ask.reply.fail(refusal)

    def _decide(self, ask: Ask, nursery: trio.Nursery) -> Receipt:
        match ask.command:
            case CancelTask():
                if self.record.request_cancel():
                    self._scope.cancel()
                    nursery.start_soon(self._watch_stop)
                return self._receipt()
            case AppendTurn(prompt=prompt):
                return self._receipt(self.record.append_turn(prompt))
            case ConfirmStep(step_id=step_id, approved=approved):
                self.record.answer(step_id, approved, ask.principal.user_id)
                return self._receipt()
            case PostEvents() | ClaimTask():
                raise CallboardError(ErrorCode.CONFLICT, f"task {self.record.id} runs in the engine, not elsewhere")
            case _:
                assert_never(ask.command)

    async def _watch_stop(self) -> None:
        seconds = self._services.cancel_seconds
        with trio.move_on_after(seconds):
            await self._stopped.wait()
            return
        self._reporter.report_task(AgentOverstays(self.record.id, self.record.command.agent, seconds))

    async def _leave_session(self, ending: Ending) -> None:
        if self._session is not None:
            if ending.state is not TaskState.COMPLETED:
                self._context.end_turn(None)
            await self._session.leave(self.record.id, self._context.said, ending.state)

    async def _say_last_words(self) -> None:
        self._context.close()
        with trio.move_on_after(_LAST_WORDS_SECONDS, shield=True):
            ending = Ending(TaskState.CANCELLED, reason="shutdown")
            await self._leave_session(ending)
            await self._end(ending)

    def _report_crash(self, error: Exception) -> None:
        self._reporter.report_task(AgentCrashed(self.record.id, self.record.command.agent, error))


def _checked(value: object) -> Result:
    """An agent is somebody else's code: its type may be a promise that it does not keep."""
    if not isinstance(value, Result):
        raise AgentError("bad_result", f"the agent returned {type(value).__name__}, not a Result")
    return value
