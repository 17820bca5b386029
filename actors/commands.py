"""What a client can ask of the engine, whatever its dialect, and the answers."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

from actors.agent import Message
from actors.event import Draft, Event, Json
from actors.position import Position
from actors.questions import ToolFailed, ToolReturned
from actors.resumption import Gap


class TaskState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


_TERMINAL = frozenset({TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED})


class TaskError(msgspec.Struct, frozen=True):
    """Why a task failed: a short code and a sentence."""

    cause: str
    message: str


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A task as it stands. Times are Unix milliseconds; `position` is before its first event: resume there for all."""

    id: str
    agent: str
    prompt: str
    state: TaskState
    user_id: str
    session_id: str | None
    batch_id: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    turns: int
    result: str | None
    data: Json
    error: TaskError | None
    claimed_by: str | None
    position: Position


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as it stands. Times are Unix milliseconds."""

    id: str
    user_id: str
    title: str
    agent: str
    created_at: int
    updated_at: int
    messages: int
    position: Position


class BatchView(msgspec.Struct, frozen=True, kw_only=True):
    """Many tasks started at once, and how many are in which state."""

    id: str
    user_id: str
    created_at: int
    task_ids: tuple[str, ...]
    counts: dict[TaskState, int]
    done: bool


class AgentView(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that tasks can name. A remote one runs elsewhere and belongs to the user who registered it."""

    name: str
    description: str
    remote: bool
    user_id: str | None
    created_at: int


class CreateTask(msgspec.Struct, frozen=True, kw_only=True):
    agent: str
    prompt: str
    session_id: str | None = None
    context: dict[str, Json] = msgspec.field(default_factory=dict)


class CancelTask(msgspec.Struct, frozen=True):
    task_id: str


class AppendTurn(msgspec.Struct, frozen=True):
    task_id: str
    prompt: str


class ConfirmStep(msgspec.Struct, frozen=True):
    """`device`: from which of the user's it comes, where that has a name."""

    task_id: str
    step_id: str
    approved: bool
    device: str = ""


class AnswerToolCall(msgspec.Struct, frozen=True):
    """What came of a tool call that a client was to carry out. `device` as above."""

    task_id: str
    call_id: str
    answer: ToolReturned | ToolFailed
    device: str = ""


QuestionAnswer: TypeAlias = ConfirmStep | AnswerToolCall


class PostEvents(msgspec.Struct, frozen=True):
    """Events of a task whose agent runs elsewhere. The same `idempotency_key` again posts nothing."""

    task_id: str
    drafts: tuple[Draft, ...]
    idempotency_key: str | None = None


class ClaimTask(msgspec.Struct, frozen=True):
    task_id: str


class Publish(msgspec.Struct, frozen=True):
    channel: str
    topic: str
    draft: Draft
    idempotency_key: str | None = None


class CreateSession(msgspec.Struct, frozen=True, kw_only=True):
    """`agent` answers commands given to the session itself; empty for the engine's default one. `key` is the caller's
    own name for it, by which its owner finds it again; empty for none."""

    title: str = ""
    agent: str = ""
    key: str = ""


class Say(msgspec.Struct, frozen=True, kw_only=True):
    """A message for a conversation's agent. `details` is told with it to those who watch."""

    session_id: str
    content: str
    details: dict[str, Json] = msgspec.field(default_factory=dict)


class ExecSession(msgspec.Struct, frozen=True):
    session_id: str
    command: str


class CreateBatch(msgspec.Struct, frozen=True):
    tasks: tuple[CreateTask, ...]


class RegisterAgent(msgspec.Struct, frozen=True):
    name: str
    description: str


TaskCommand: TypeAlias = CancelTask | AppendTurn | QuestionAnswer | PostEvents | ClaimTask


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """A command to a task was taken. `position` is its last event so far, `turn` the number an appended turn got.

    For an agent that runs elsewhere: `lease_seconds` after its last post its claim runs out, `context` is what the
    client sent beside the prompt, `history` is the conversation before the task, and `cancel_requested` asks it to stop
    and to post `task.cancelled`.
    """

    task: TaskView
    position: Position
    turn: int | None = None
    cancel_requested: bool = False
    lease_seconds: float | None = None
    context: dict[str, Json] = msgspec.field(default_factory=dict)
    history: tuple[Message, ...] = ()


class Published(msgspec.Struct, frozen=True):
    """`duplicate` where the idempotency key had been used: the position is then the first publication's."""

    position: Position
    duplicate: bool


class ExecStarted(msgspec.Struct, frozen=True):
    session_id: str
    exec_id: str


class TaskQuery(msgspec.Struct, frozen=True):
    """Newest first. `after` is the id of the last task of the previous page."""

    state: TaskState | None = None
    session_id: str | None = None
    after: str | None = None
    limit: int = 50


class TaskPage(msgspec.Struct, frozen=True):
    """`next` is the `after` of the following page, None on the last."""

    tasks: tuple[TaskView, ...]
    next: str | None


class HistoryPage(msgspec.Struct, frozen=True):
    """`position` is the one to go on from: the last event's, or where the reading began."""

    events: tuple[Event, ...]
    position: Position
    gap: Gap | None
    more: bool


Start: TypeAlias = Position | Literal["oldest", "live"]
"""Where a subscription begins: after a position, with all there is, or with what comes."""
