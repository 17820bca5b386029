"""What is true of one task: its state, its turns, its open questions. Decisions only; the actor acts on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec
import trio

from actors.commands import ConfirmStep, CreateTask, QuestionAnswer, TaskError, TaskState, TaskView
from actors.errors import CallboardError, ErrorCode
from actors.event import Json, now_ms
from actors.position import Position
from actors.questions import Answerer, Approval, Ended, Kind, Question, Questions, Settled
from actors.redaction import TaskRedaction


class Ending(msgspec.Struct, frozen=True):
    """How a task ended. `reason` is what a client reads of a cancellation, `text` what an interrupted one had said."""

    state: TaskState
    result: str | None = None
    data: Json = None
    error: TaskError | None = None
    reason: str = ""
    text: str = ""


class TaskRecord:
    """The state of one task. Every refusal is a CallboardError CONFLICT, RATE_LIMITED or NOT_FOUND."""

    def __init__(
        self, task_id: str, user_id: str, command: CreateTask, batch_id: str | None, position: Position, max_turns: int
    ) -> None:
        self.id = task_id
        self.serial = 0
        """Counts up over the engine's tasks in the order of their creation."""
        self.user_id = user_id
        self.command = command
        self.batch_id = batch_id
        self.position = position
        self.state = TaskState.QUEUED
        self.cancel_requested = False
        self.is_ending = False
        """The agent is done: nobody but the engine adds to the task any more, and then only its last event."""
        self.announced = False
        """An agent elsewhere was told of it."""
        self.claimed_by: str | None = None
        self.posts = 0
        """How many posts with an idempotency key there were."""
        self.turn = 0
        self.turns_asked = 1
        self.created_at = now_ms()
        self.started_at: int | None = None
        self.ended_at: int | None = None
        self.decided: Ending | None = None
        """How it was to end, in an earlier life of the engine."""
        self.has_left = False
        """It has left its session."""
        self.ends_at: int | None = None
        """Since when it is about to end."""
        self.ending: Ending | None = None
        self.questions = Questions(task_id)
        self._max_turns = max_turns
        self.redaction: TaskRedaction | None = None
        self._turns: deque[str] = deque([command.prompt])
        self._takes_turns = True
        self._turn_arrived = trio.Event()

    @property
    def is_ended(self) -> bool:
        return self.ending is not None

    @property
    def is_redacted(self) -> bool:
        """Nothing is told of what it came to."""
        return self.redaction is not None

    def take_up(self, turn: int, *, cancel_requested: bool, redacted: bool) -> None:
        """Goes on as an earlier life of the engine has left it."""
        self.turn = turn
        self.cancel_requested = cancel_requested
        self.redaction = TaskRedaction(self.id, asked=not self.command.prompt) if redacted else None
        if cancel_requested:
            self.state = TaskState.CANCELLING
        elif self.started_at is not None:
            self.state = TaskState.RUNNING

    def take_up_turns(self, turn: int, appended: Sequence[str]) -> None:
        """Its log says that this turn has begun; `appended` were asked behind the first."""
        self.turn = turn
        self.turns_asked = 1 + len(appended)
        self._turns = deque([self.command.prompt, *appended][turn:])

    def start(self) -> None:
        if self.state is TaskState.QUEUED:
            self.state = TaskState.RUNNING
            self.started_at = now_ms()

    def append_turn(self, prompt: str) -> int:
        """Queues a turn and returns its number."""
        if not self._takes_turns or self.cancel_requested:
            raise CallboardError(ErrorCode.CONFLICT, f"task {self.id} takes no more turns: it is {self.state}")
        if len(self._turns) >= self._max_turns:
            raise CallboardError(ErrorCode.RATE_LIMITED, f"task {self.id} has {self._max_turns} turns waiting already")
        self._turns.append(prompt)
        self.turns_asked += 1
        self._turn_arrived.set()
        return self.turn + len(self._turns)

    def take_turn(self) -> str | None:
        """The next turn's prompt, or None where no turn waits."""
        if not self._turns:
            return None
        self.turn += 1
        return self._turns.popleft()

    def take_last_turn(self) -> str | None:
        """As `take_turn`; but where none waits the task takes no more, so that none can arrive too late to be run."""
        prompt = self.take_turn()
        self._takes_turns = prompt is not None
        return prompt

    async def wait_turn(self) -> None:
        """Returns once a turn waits."""
        self._pause()
        while not self._turns:
            self._turn_arrived = trio.Event()
            await self._turn_arrived.wait()
        await trio.lowlevel.checkpoint()
        self._resume()

    def ask(self, question: Question) -> Question:
        """As `Questions.ask`: the task waits meanwhile."""
        self.questions.ask(question)
        self._pause()
        return question

    def answer(self, command: QuestionAnswer, user_id: str) -> Question:
        """As `Questions.answer`: the first one wins."""
        by = Answerer(user_id, command.device)
        kind, name = question_of(command)
        answer = Approval(command.approved) if isinstance(command, ConfirmStep) else command.answer
        question = self.questions.answer(kind, name, answer, by)
        self._resume()
        return question

    def end_question(self, question: Question, how: Ended) -> Settled:
        """As `Questions.end`."""
        settled = self.questions.end(question, how)
        self._resume()
        return settled

    def request_cancel(self) -> bool:
        """True for the first request, which has something to do."""
        first = not self.cancel_requested and not self.is_ending
        if first:
            self.cancel_requested = True
            self.state = TaskState.CANCELLING
        return first

    def begin_end(self) -> None:
        self.is_ending = True
        self.ends_at = self.ends_at or now_ms()
        self._takes_turns = False

    def finish(self, ending: Ending) -> None:
        """The task has ended and its last event is in the log."""
        self.begin_end()
        self.ending = ending
        self.state = ending.state
        self.ended_at = self.ends_at
        self._turns.clear()
        self.questions.clear()

    def redact(self, redaction: TaskRedaction) -> None:
        """From now on nothing is told of what the task came to, or also of what was asked."""
        if self.redaction is None or redaction.asked:
            self.redaction = redaction
        if redaction.asked:
            self.command = msgspec.structs.replace(self.command, prompt="", context={})

    def view(self) -> TaskView:
        ending = Ending(self.state) if self.ending is None or self.redaction is not None else self.ending
        return TaskView(
            id=self.id,
            agent=self.command.agent,
            prompt=self.command.prompt,
            state=self.state,
            user_id=self.user_id,
            session_id=self.command.session_id,
            batch_id=self.batch_id,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
            turns=self.turn,
            result=ending.result,
            data=ending.data,
            error=ending.error,
            claimed_by=self.claimed_by,
            position=self.position,
        )

    def _pause(self) -> None:
        if self.state is TaskState.RUNNING:
            self.state = TaskState.WAITING

    def _resume(self) -> None:
        if self.state is TaskState.WAITING and not self.questions:
            self.state = TaskState.RUNNING


def question_of(command: QuestionAnswer) -> tuple[Kind, str]:
    """Which one is answered."""
    return (Kind.STEP, command.step_id) if isinstance(command, ConfirmStep) else (Kind.TOOL_CALL, command.call_id)
