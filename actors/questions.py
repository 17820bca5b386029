"""What a task has asked its user's devices and waits for: confirmations, and tool calls that a client carries out."""

from __future__ import annotations

import math
from enum import Enum
from typing import TypeAlias

import msgspec
import trio

from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, Event, Json, draft, now_ms
from actors.log import Log
from actors.mailbox import Reply
from actors.past_questions import Answerer, Fate, PastQuestion, PastQuestions
from actors.position import Position
from actors.question_kind import Kind

MOST_OPEN = 100
"""Questions of one task that may be open at once: each is kept until it is settled."""
_SCANNED_BYTES = 1 << 20


class Approval(msgspec.Struct, frozen=True):
    approved: bool


class ToolReturned(msgspec.Struct, frozen=True):
    result: Json


class ToolFailed(msgspec.Struct, frozen=True):
    error: str


Answer: TypeAlias = Approval | ToolReturned | ToolFailed


class Ended(Enum):
    """How a question ends that nobody has answered."""

    EXPIRED = Fate.EXPIRED
    WITHDRAWN = Fate.WITHDRAWN


class Settled(msgspec.Struct, frozen=True):
    """What became of a question; `told` says it to all. `past` is remembered, and `forgotten` are in its place no
    longer."""

    outcome: Answer | Ended
    told: Draft
    past: PastQuestion
    forgotten: tuple[tuple[Kind, str], ...]


class Question(msgspec.Struct, eq=False):
    """One that is asked. `deadline` is trio's time; `offset` is that of its event in the task's topic, once it is known
    to be there; an answer's event is at most `most_bytes` long."""

    kind: Kind
    id: str
    asked: Draft
    deadline: float = math.inf
    most_bytes: int | None = None
    after: int = 0
    """The topic's tail when it was asked: its event comes behind."""
    place: int | None = None
    """The offset that its event was given last; it may get another one until it is kept."""
    offset: int | None = None
    settled: Settled | None = None
    answered: trio.Event = msgspec.field(default_factory=trio.Event)
    telling: Reply[Position] | None = None
    """Answered once what became of it is in the log."""
    told: trio.Event = msgspec.field(default_factory=trio.Event)
    """`telling` is there, or nobody is left to say it."""


class Questions:
    """Those of one task. Every refusal is a CallboardError."""

    def __init__(self, task_id: str) -> None:
        self._task_id = task_id
        self._open: dict[tuple[Kind, str], Question] = {}
        self._past = PastQuestions()

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self) -> tuple[Question, ...]:
        return tuple(self._open.values())

    def waiting(self, kind: Kind) -> tuple[str, ...]:
        """The names of the open ones of a kind."""
        return tuple(name for known, name in self._open if known is kind)

    def find(self, kind: Kind, name: str) -> Question | None:
        """An open one."""
        return self._open.get((kind, name))

    def names(self) -> tuple[tuple[Kind, str], ...]:
        """Of all that are known, open or settled."""
        return (*self._open, *self._past.names())

    def past(self) -> tuple[PastQuestion, ...]:
        """The settled ones that are remembered, oldest first."""
        return self._past.all()

    @property
    def deadline(self) -> float:
        """When the next one expires, in trio's time."""
        return min((question.deadline for question in self._open.values()), default=math.inf)

    def due(self, now: float) -> tuple[Question, ...]:
        """Those whose time is up."""
        return tuple(question for question in self._open.values() if question.deadline <= now)

    def require_room(self, more: int = 1) -> None:
        if len(self._open) + more > MOST_OPEN:
            raise CallboardError(ErrorCode.RATE_LIMITED, f"task {self._task_id} has {MOST_OPEN} open questions already")

    def ask(self, question: Question) -> Question:
        """Raises ValueError where one of that name is open: the agent's mistake, not a client's."""
        key = (question.kind, question.id)
        if key in self._open:
            raise ValueError(f"{question.kind.value} {question.id!r} waits for an answer already")
        self.require_room()
        self._past.forget(*key)
        self._open[key] = question
        return question

    def take_up(self, past: PastQuestion) -> None:
        """One that was settled in an earlier life of the engine; the oldest is taken up first."""
        self._past.add(past)

    def answer(self, kind: Kind, name: str, answer: Answer, by: Answerer) -> Question:
        """Settles it with the first valid answer. Raises CONFLICT, whose `details` tell what was before it; NOT_FOUND;
        INVALID_PAYLOAD for what JSON cannot hold and TOO_LARGE, which settle nothing."""
        question = self._open.get((kind, name))
        if question is None:
            self.refuse_late(kind, name)
            raise CallboardError(
                ErrorCode.NOT_FOUND, f"no {kind.value} {name[:64]} of task {self._task_id} waits for an answer"
            )
        told = _told(question, answer, by)
        if question.most_bytes is not None and len(told.body) > question.most_bytes:
            limit = f"the result of a {kind.value} is at most {question.most_bytes} bytes (limits.client_tool_bytes)"
            raise CallboardError(ErrorCode.TOO_LARGE, limit)
        self._settle(question, answer, told, by, told.timestamp)
        return question

    def refuse_late(self, kind: Kind, name: str) -> None:
        """Raises CONFLICT where such a question has been settled."""
        past = self._past.find(kind, name)
        if past is not None:
            raise past.refusal

    def end(self, question: Question, how: Ended, at: int | None = None) -> Settled:
        """Nobody waits for its answer any more, since `at` in Unix ms, or since now. Returns what became of it: an
        answer stands."""
        if question.settled is None:
            told = _told(question, how, None)
            return self._settle(question, how, told, None, told.timestamp if at is None else at)
        return question.settled

    def clear(self, at: int) -> None:
        """The task has ended."""
        for question in self.open():
            self.end(question, Ended.WITHDRAWN, at)

    def _settle(
        self, question: Question, outcome: Answer | Ended, told: Draft, by: Answerer | None, at: int
    ) -> Settled:
        key = (question.kind, question.id)
        if self._open.get(key) is question:
            del self._open[key]
        past = PastQuestion(*key, _fate(outcome), by, at)
        question.settled = Settled(outcome, told, past, self._past.add(past))
        question.answered.set()
        return question.settled


def event_of(question: Question, log: Log) -> Event | None:
    """The event that asks it, also where the log holds it no more; None where it is still to come."""
    if question.offset is None:
        # Its sender is about to learn where it is.
        behind = log.read(question.after, max_events=log.tail, max_bytes=_SCANNED_BYTES)
        question.offset = next((event.offset for event in behind if _asks(event, question)), None)
    if question.offset is None:
        return None
    asked, offset = question.asked, question.offset
    body, merge, key, at = asked.body, asked.merge, asked.merge_key, asked.timestamp
    return Event(log.key, log.epoch, offset, offset, asked.event_type, body, merge, key, at)


def _asks(event: Event, question: Question) -> bool:
    data = event.data if event.event_type == question.kind.asks else None
    return isinstance(data, dict) and data.get(question.kind.names) == question.id


def asking(kind: Kind, name: str, data: dict[str, Json], seconds: float) -> Draft:
    """The event that asks, open for `seconds`. Raises ValueError unless these are a number above 0, and finite."""
    if not 0 < seconds < math.inf:
        raise ValueError(f"a {kind.value} cannot wait for {seconds} seconds")
    return draft(kind.asks, {kind.names: name, **data, "expires_at": now_ms() + round(seconds * 1000)})


def _fate(outcome: Answer | Ended) -> Fate:
    match outcome:
        case Approval(approved=approved):
            return Fate.APPROVED if approved else Fate.DECLINED
        case ToolReturned():
            return Fate.CARRIED_OUT
        case ToolFailed():
            return Fate.FAILED
        case Ended():
            return outcome.value


def _told(question: Question, outcome: Answer | Ended, by: Answerer | None) -> Draft:
    kind, known = question.kind, {question.kind.names: question.id}
    who: dict[str, Json] = {"by": None if by is None else by.user_id}
    if by is not None and by.device:
        who["device"] = by.device
    match outcome:
        case Approval(approved=approved):
            return draft(kind.tells, {**known, "approved": approved, **who})
        case ToolReturned(result=result):
            return draft(kind.tells, {**known, "success": True, "result": result, **who})
        case ToolFailed(error=error):
            return draft(kind.tells, {**known, "success": False, "error": error, **who})
        case Ended() if kind is Kind.STEP:
            return draft(kind.tells, {**known, "approved": False, **who})
        case Ended(value=fate):
            return draft(kind.tells, {**known, "success": False, "error": fate.value, **who})
