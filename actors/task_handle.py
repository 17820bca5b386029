"""The handle on one task, whoever runs it: what is asked of it, and how it comes to its end."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial

import trio

from actors.agent import Message
from actors.commands import (
    AnswerToolCall,
    CancelTask,
    ConfirmStep,
    Receipt,
    TaskCommand,
    TaskError,
    TaskState,
    TaskView,
)
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, draft, now_ms
from actors.kept_questions import past_records
from actors.kept_task import task_record
from actors.log import Log
from actors.mailbox import Reply
from actors.position import Position
from actors.principal import Principal
from actors.session import Session
from actors.store import Record
from actors.task_events import is_over
from actors.task_record import Ending, TaskRecord, question_of
from actors.task_services import TaskServices

_LAST_WORDS_SECONDS = 2.0
"""How long a task that the engine stops may take to say that it ended."""


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
            if ending.text:
                data["text"] = ending.text
            return draft("task.failed", {**data, "error": error.message, "cause": error.cause})
        case _:
            raise ValueError(f"{ending.state} ends no task")


def failed(cause: str, message: str) -> Ending:
    return Ending(TaskState.FAILED, error=TaskError(_encodable(cause), _encodable(message)))


def _encodable(text: str) -> str:
    """An exception may quote what JSON cannot hold, as a path that is not UTF-8; its task has to end all the same."""
    return text.encode("utf-8", "replace").decode()


def started_draft(record: TaskRecord) -> Draft:
    """The first event of a task."""
    data: Json = {"task_id": record.id, "agent": record.command.agent, "session_id": record.command.session_id}
    return draft("task.started", data)


class _LastWord:
    """Calls `told` once the topic of a task is over."""

    is_heard = False

    def __init__(self, log: Log, told: Callable[[], None]) -> None:
        self._log = log
        self._told = told

    def notice(self, key: ChannelKey) -> None:
        if is_over(self._log):
            self._told()


class TaskHandle(ABC):
    """The handle on one task, whoever runs it: how it stands, and the way to ask something of it."""

    def __init__(
        self,
        record: TaskRecord,
        key: ChannelKey,
        services: TaskServices,
        ended: Callable[[], None],
        session: Session | None,
    ) -> None:
        self.record = record
        self.key = key
        self._services = services
        self.session = session
        self._ending: Ending | None = None
        self._last_word: Reply[Position] | None = None
        self._ended = ended
        self._is_closed = False

    def view(self) -> TaskView:
        return self.record.view()

    @abstractmethod
    def ask_nowait(self, principal: Principal, command: TaskCommand) -> Receipt | None:
        """Has a command carried out at once; None where it has to wait for its turn, or to be kept: `ask` does.

        Raises CallboardError as the record refuses; a cancellation is idempotent and never refused.
        """

    @abstractmethod
    async def ask(self, principal: Principal, command: TaskCommand) -> Receipt:
        """As `ask_nowait`, in its turn. Cancelled, the caller may not know whether the command is carried out."""

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor: ends by itself once the agent has really stopped and the last event is in the log."""
        task_status.started()
        try:
            await self._work()
        finally:
            if not self._is_closed:
                await self._say_last_words()

    @abstractmethod
    async def _work(self) -> None:
        """The run itself, up to and including `_finish`."""

    @abstractmethod
    def _take_stock(self, ending: Ending) -> Sequence[Message]:
        """Closes the run, which is over, and returns what it adds to the conversation. Idempotent."""

    def _receipt(self, turn: int | None = None) -> Receipt:
        position = self._services.channels.log(self.key).position
        return Receipt(task=self.view(), position=position, turn=turn, cancel_requested=self.record.cancel_requested)

    def _answer_ended(self, command: TaskCommand) -> Receipt:
        match command:
            case CancelTask():
                return self._receipt()
            case ConfirmStep() | AnswerToolCall():
                self.record.questions.refuse_late(*question_of(command))
            case _:
                pass
        raise CallboardError(ErrorCode.CONFLICT, f"task {self.record.id} has ended: it is {self.record.state}")

    async def _finish(self, ending: Ending) -> None:
        """Leaves the conversation and says the last word. Cut short, it can be taken up again."""
        self._ending = ending
        self.record.begin_end()
        await self._leave_session(ending)
        await self._say_last_word(ending)
        self._close(ending)

    async def _leave_session(self, ending: Ending) -> None:
        said = self._take_stock(ending)
        if self.session is not None:
            error = None if ending.error is None else ending.error.message
            left = partial(self._kept_to_end, ending, left=True)
            await self.session.leave(self.record.id, said, ending.state, error, records=left)
            self.record.has_left = True

    async def _say_last_word(self, ending: Ending) -> None:
        channels = self._services.channels
        # Whoever hears the last word finds the task ended, also where this task has yet to be woken.
        watcher = _LastWord(channels.log(self.key), lambda: self.record.finish(ending))
        channels.watch(self.key, watcher)
        try:
            if self._last_word is None:
                last, records = terminal_draft(self.record, ending), partial(self._kept_at_last, ending)
                self._last_word = await channels.submit(self.key, last, records=records, patient=True)
            await self._last_word.wait()
        finally:
            channels.unwatch(self.key, watcher)

    def _kept(self) -> tuple[Record, ...]:
        """What is kept of the task, as it stands."""
        return (task_record(self.record),)

    def _kept_to_end(self, ending: Ending, *, left: bool = False) -> tuple[Record, ...]:
        """As it is to end. `left`: it has left its session."""
        return (task_record(self.record, ending, left=left),)

    def _kept_at_last(self, ending: Ending) -> tuple[Record, ...]:
        return (*self._kept_to_end(ending), *past_records(self.record))

    async def _say_last_words(self) -> None:
        """The run was stopped by the engine, or crashed. How the agent had ended before that stands."""
        stopped = trio.current_effective_deadline() == -math.inf
        ending = self._ending or (
            Ending(TaskState.CANCELLED, reason="shutdown") if stopped else failed("internal", "the engine has failed")
        )
        self.record.begin_end()
        try:
            with trio.move_on_after(_LAST_WORDS_SECONDS, shield=True):
                # A conversation whose actor is gone must not take the time for the last event.
                with trio.move_on_after(_LAST_WORDS_SECONDS / 2):
                    await self._leave_session(ending)
                await self._say_last_word(ending)
        finally:
            self._close(ending)

    def _close(self, ending: Ending) -> None:
        """The task has ended."""
        self._is_closed = True
        self.record.finish(ending)
        self._ended()
