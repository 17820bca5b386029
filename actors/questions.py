"""What a task has asked its user's devices and waits for: confirmations, and tool calls that a client carries out."""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import Enum
from typing import TypeAlias

import msgspec
import trio

from actors.errors import CallboardError, ErrorCode
from actors.event import Draft, Event, Json, draft, now_ms
from actors.log import Log
from actors.mailbox import Reply
from actors.position import Position

MOST_OPEN = 100
"""Questions of one task that may be open at once: each is kept until it is settled."""
_REMEMBERED = 256
"""Settled questions of one task of which a late answer is told what became; the oldest go."""

_SCANNED_BYTES = 1 << 20


class Kind(Enum):
    """What is asked for. Each has its names to itself."""

    STEP = "step"
    TOOL_CALL = "client tool call"

    @property
    def asks(self) -> str:
        """The type of the event that asks."""
        return "step.confirm" if self is Kind.STEP else "agent.client_tool_call"

    @property
    def tells(self) -> str:
        """The type of the event that tells what became of it."""
        return "step.confirmed" if self is Kind.STEP else "agent.client_tool_result"

    @property
    def names(self) -> str:
        """The member of both by which a question is known."""
        return "step_id" if self is Kind.STEP else "call_id"


class Approval(msgspec.Struct, frozen=True):
    approved: bool


class ToolReturned(msgspec.Struct, frozen=True):
    result: Json


class ToolFailed(msgspec.Struct, frozen=True):
    error: str


Answer: TypeAlias = Approval | ToolReturned | ToolFailed


class Answerer(msgspec.Struct, frozen=True):
    """Who answers; `device` is empty where the way it came by names none."""

    user_id: str
    device: str = ""


class Ended(Enum):
    """How a question ends that nobody has answered."""

    EXPIRED = "nobody answered in time"
    WITHDRAWN = "the agent waits for it no more"


class Settled(msgspec.Struct, frozen=True):
    """What became of a question. `by` is None where nobody has answered; `told` says it to all; `at` is Unix ms."""

    outcome: Answer | Ended
    by: Answerer | None
    told: Draft
    at: int


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
        self._settled: OrderedDict[tuple[Kind, str], Settled] = OrderedDict()

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
        self._settled.pop(key, None)
        self._open[key] = question
        return question

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
        self._settle(question, Settled(answer, by, told, now_ms()))
        return question

    def refuse_late(self, kind: Kind, name: str) -> None:
        """Raises CONFLICT where such a question has been settled."""
        settled = self._settled.get((kind, name))
        if settled is not None:
            raise _too_late(kind, name, settled)

    def end(self, question: Question, how: Ended) -> Settled:
        """Nobody waits for its answer any more. Returns what became of it: an answer stands."""
        if question.settled is None:
            return self._settle(question, Settled(how, None, _told(question, how, None), now_ms()))
        return question.settled

    def clear(self) -> None:
        """The task has ended."""
        for question in self.open():
            self.end(question, Ended.WITHDRAWN)

    def _settle(self, question: Question, settled: Settled) -> Settled:
        key = (question.kind, question.id)
        if self._open.get(key) is question:
            del self._open[key]
        question.settled = self._settled[key] = settled
        question.answered.set()
        while len(self._settled) > _REMEMBERED:
            self._settled.popitem(last=False)
        return settled


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


def asked_before(kind: Kind, event: Event, most_bytes: int | None) -> Question:
    """The question of an event in the log, open until its `expires_at`: at once where it has none."""
    data = event.data if isinstance(event.data, dict) else {}
    expires_at = data.get("expires_at")
    left = (expires_at - now_ms()) / 1000 if isinstance(expires_at, int) else 0.0
    asked = Draft(event.event_type, event.body, event.merge, event.merge_key, event.timestamp)
    name, deadline = str(data.get(kind.names, "")), trio.current_time() + left
    return Question(kind, name, asked, deadline, most_bytes, event.offset - 1, event.offset)


def withdrawing(kind: Kind, name: str) -> Draft:
    """The event that tells that nobody waits for its answer any more."""
    return _told_of({kind.names: name}, kind, Ended.WITHDRAWN, {"by": None})


def _told(question: Question, outcome: Answer | Ended, by: Answerer | None) -> Draft:
    who: dict[str, Json] = {"by": None if by is None else by.user_id}
    if by is not None and by.device:
        who["device"] = by.device
    return _told_of({question.kind.names: question.id}, question.kind, outcome, who)


def _told_of(known: dict[str, Json], kind: Kind, outcome: Answer | Ended, who: dict[str, Json]) -> Draft:
    match outcome:
        case Approval(approved=approved):
            return draft(kind.tells, {**known, "approved": approved, **who})
        case ToolReturned(result=result):
            return draft(kind.tells, {**known, "success": True, "result": result, **who})
        case ToolFailed(error=error):
            return draft(kind.tells, {**known, "success": False, "error": error, **who})
        case Ended() if kind is Kind.STEP:
            return draft(kind.tells, {**known, "approved": False, **who})
        case Ended():
            return draft(kind.tells, {**known, "success": False, "error": outcome.value, **who})


def _too_late(kind: Kind, name: str, settled: Settled) -> CallboardError:
    """Tells who was first, and with what."""
    details: dict[str, Json]
    match settled.outcome:
        case Ended() as ended:
            word = "has expired" if ended is Ended.EXPIRED else "is open no more"
            message, details = f"{kind.value} {name} {word}: {ended.value}", {f"{ended.name.lower()}_at": settled.at}
            return CallboardError(ErrorCode.CONFLICT, message, details=details)
        case Approval(approved=approved):
            word, details = "approved" if approved else "declined", {"approved": approved}
        case ToolReturned():
            word, details = "carried out", {"success": True}
        case ToolFailed():
            word, details = "reported as failed", {"success": False}
    by = settled.by
    if by is None:
        raise ValueError("an answer is somebody's")
    who = by.user_id + (f" (device {by.device})" if by.device else "")
    details = {**details, "answered_by": by.user_id, "answered_at": settled.at}
    if by.device:
        details["answered_on"] = by.device
    return CallboardError(
        ErrorCode.CONFLICT, f"{kind.value} {name} has been answered already: {word} by {who}", details=details
    )
