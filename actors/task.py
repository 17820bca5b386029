"""The actor of one run of an agent in this process, in its own cancel scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import assert_never

import trio

from actors.agent import Agent, AgentError, Message, Result
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
from actors.event import ChannelKey, Event, Json, draft, encode_json
from actors.kept_questions import settled_records
from actors.kept_task import turn_record
from actors.model import ModelError
from actors.outcome import Raised, Returned, outcome_of
from actors.principal import Principal
from actors.session import Session
from actors.task_context import RunningContext
from actors.task_handle import TaskHandle, failed, started_draft
from actors.task_past import Past
from actors.task_record import Ending, TaskRecord
from actors.task_reports import AgentCrashed, AgentOverstays, TaskReporter
from actors.task_services import TaskServices


class LocalTask(TaskHandle):
    """A task whose agent runs in this process.

    It has no mailbox: what it is asked is decided in one step, in the task of whoever asks. A cancellation so reaches
    the agent a round of the loop earlier, which is long where hundreds of agents are ready to run.
    """

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
        super().__init__(record, key, services, ended, session)
        self._keeper = services.channels.keeper
        self._agent = agent
        self._reporter = reporter
        self._scope = trio.CancelScope()
        self._context = RunningContext(record, key, services, session)
        self._stopped = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._resumes = False

    def resume(self, past: Past, journal: Sequence[Event]) -> None:
        """Goes on where an earlier life of the engine has left it. Called before it runs."""
        self._resumes = True
        self._context.resume(past, journal)

    def ask_nowait(self, principal: Principal, command: TaskCommand) -> Receipt | None:
        if self.record.is_ended:
            return self._answer_ended(command)
        match command:
            case CancelTask():
                if self.record.request_cancel():
                    self._keeper.note(*self._kept())
                    self._cancel()
                # What takes effect at once is not acknowledged before it is kept: an agent may be resumed.
                return None if self._services.channels.keeps(self.key) else self._receipt()
            case AppendTurn() | ConfirmStep() | AnswerToolCall():
                return None
            case PostEvents() | ClaimTask():
                raise CallboardError(ErrorCode.CONFLICT, f"task {self.record.id} runs in the engine, not elsewhere")
            case _:
                assert_never(command)

    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        if isinstance(command, AppendTurn):
            return await self._append(command.prompt)
        await trio.lowlevel.checkpoint_if_cancelled()
        receipt = self.ask_nowait(principal, command)
        if receipt is None and isinstance(command, CancelTask):
            receipt = self._receipt()
            await self._keeper.keep()
            return receipt
        if receipt is None and isinstance(command, ConfirmStep | AnswerToolCall):
            return await self._take_answer(principal, command)
        if receipt is None:
            raise ValueError(f"{type(command).__name__} is carried out at once")
        # Not a point of cancellation: it has been carried out.
        await trio.lowlevel.cancel_shielded_checkpoint()
        return receipt

    async def _take_answer(self, principal: Principal, command: QuestionAnswer) -> Receipt:
        """What an answer has settled is in the log before its sender is told that it counts."""
        self._keeper.check()
        question = self.record.answer(command, principal.user_id)
        await question.told.wait()
        if question.telling is not None:
            await question.telling.wait()
        elif question.settled is not None:
            # The agent was cancelled in the same moment: what became of it is told with its next event, if at all.
            await self._keeper.keep(*settled_records(self.record, question.settled))
        return self._receipt()

    async def _append(self, prompt: str) -> Receipt:
        """Answers once the turn is kept; where it is refused instead, it may still be taken."""
        if self.record.is_ended:
            await trio.lowlevel.checkpoint()
            return self._answer_ended(AppendTurn(self.record.id, prompt))
        self._keeper.check()
        encode_json("prompt", prompt)
        turn = self.record.append_turn(prompt)
        receipt = self._receipt(turn)
        await self._keeper.keep(turn_record(self.record.id, turn, prompt))
        return receipt

    async def _work(self) -> None:
        async with trio.open_nursery() as self._nursery:
            if self._scope.cancel_called:
                self._nursery.start_soon(self._watch_stop)
            ending = await self._run_agent()
            self._stopped.set()
            await self._finish(ending)

    async def _run_agent(self) -> Ending:
        record = self.record
        with self._scope:
            outcome = await outcome_of(self._converse, self._report_crash)
        if record.cancel_requested:
            # Who asked decides: an agent that makes an error or a result of its cancellation was still cancelled.
            if not self._scope.cancelled_caught and isinstance(outcome, Raised):
                self._report_crash(outcome.error)
            return Ending(TaskState.CANCELLED, reason="requested")
        match outcome:
            case Returned(value=result):
                return _completed(result)
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
        if self.session is not None:
            context.remember(await self.session.enter(record.id))
        result = Result("")
        goes_on = await self._begin()
        while goes_on:
            await context.flush()
            result = _checked(await self._agent(context))
            await context.flush()
            context.end_turn(result.text)
            completed: Json = {"task_id": record.id, "turn": record.turn, "result": result.text}
            ended_turn = draft("task.turn_completed", completed)
            goes_on = self._take_turn()
            # An agent that has finished is not said to be interrupted, nor run again, where the engine falls now.
            ending = None if goes_on else partial(self._kept_to_end, _completed(result))
            await self._services.channels.emit(self.key, ended_turn, records=ending)
        return result

    async def _begin(self) -> bool:
        """Returns whether there is a turn to run."""
        if self._resumes:
            self._resumes = False
            return await self._context.say_resumed() or self._take_turn()
        self.record.start()
        # The agent begins once this is kept: a run that began is never taken for one that is still to begin.
        started, records = started_draft(self.record), self._kept
        begun = await self._services.channels.submit(self.key, started, records=records, patient=True)
        await begun.wait()
        return self._take_turn()

    def _take_turn(self) -> bool:
        prompt = self.record.take_last_turn()
        if prompt is not None:
            self._context.begin_turn(prompt)
        return prompt is not None

    def _cancel(self) -> None:
        self._scope.cancel()
        # One that has not begun to run is watched once it does.
        if self._nursery is not None:
            self._nursery.start_soon(self._watch_stop)

    async def _watch_stop(self) -> None:
        seconds = self._services.cancel_seconds
        with trio.move_on_after(seconds):
            await self._stopped.wait()
            return
        self._reporter.report_task(AgentOverstays(self.record.id, self.record.command.agent, seconds))

    def _take_stock(self, ending: Ending) -> Sequence[Message]:
        self._context.close()
        if ending.state is not TaskState.COMPLETED:
            self._context.end_turn(None)
        return self._context.said

    def _report_crash(self, error: BaseException) -> None:
        self._reporter.report_task(AgentCrashed(self.record.id, self.record.command.agent, error))


def _completed(result: Result) -> Ending:
    return Ending(TaskState.COMPLETED, result.text, result.data)


def _checked(value: object) -> Result:
    """An agent is somebody else's code: its type may be a promise that it does not keep."""
    if not isinstance(value, Result):
        raise AgentError("bad_result", f"the agent returned {type(value).__name__}, not a Result")
    try:
        draft("result", {"result": value.text, "data": value.data})
    except CallboardError as error:
        raise AgentError("bad_result", error.message) from error
    return value
