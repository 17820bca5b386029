"""What a task's events say, typed."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from callboard_client.events import Event, Gap
from callboard_client.snapshots import Pushed, Snapshot


class Started(msgspec.Struct, frozen=True):
    agent: str
    session_id: str | None = None


class TurnStarted(msgspec.Struct, frozen=True):
    turn: int
    prompt: str


class TurnCompleted(msgspec.Struct, frozen=True):
    turn: int
    result: str = ""


class AwaitsTurn(msgspec.Struct, frozen=True):
    """The agent goes on with the next turn that is appended."""

    turn: int


class Thinking(msgspec.Struct, frozen=True):
    """A piece of reasoning."""

    content: str


class Text(msgspec.Struct, frozen=True):
    """A piece of the answer."""

    content: str


class ToolCall(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    arguments: Any = None


class ToolResult(msgspec.Struct, frozen=True):
    """`error` is empty where the call has worked."""

    call_id: str
    name: str
    result: Any = None
    error: str = ""


class PlanStep(msgspec.Struct, frozen=True):
    id: str
    name: str
    description: str = ""
    type: str = ""


class PlanCreated(msgspec.Struct, frozen=True):
    steps: tuple[PlanStep, ...]
    goal: str = ""


class StepStarted(msgspec.Struct, frozen=True):
    step_id: str
    name: str


class StepProgress(msgspec.Struct, frozen=True):
    """`progress` runs from 0 to 1."""

    step_id: str
    progress: float
    message: str = ""


class StepCompleted(msgspec.Struct, frozen=True):
    step_id: str
    name: str
    success: bool = True
    output: Any = None


class Question(msgspec.Struct, frozen=True):
    """The task waits for a yes or no until `expires_at`, Unix milliseconds."""

    step_id: str
    reason: str
    step_name: str = ""
    expires_at: int = 0


class Answered(msgspec.Struct, frozen=True):
    """A question was answered, here or on another device, or its time is up."""

    step_id: str
    approved: bool
    by: str | None = None


class ClientToolCall(msgspec.Struct, frozen=True):
    """The task waits, until `expires_at` (Unix milliseconds), for one of the user's devices to carry out this call."""

    call_id: str
    name: str
    arguments: Any = None
    expires_at: int = 0


class ClientToolResult(msgspec.Struct, frozen=True):
    """A call was carried out, here or on another device, or its time is up: `by` is None then. `error` is empty where
    it has worked."""

    call_id: str
    success: bool
    result: Any = None
    error: str = ""
    by: str | None = None


class Artifact(msgspec.Struct, frozen=True):
    name: str
    media_type: str
    content: str


class Completed(msgspec.Struct, frozen=True):
    result: str | None = None
    data: Any = None


class Failed(msgspec.Struct, frozen=True):
    error: str
    cause: str = ""


class Cancellation(msgspec.Struct, frozen=True):
    reason: str = ""


Outcome: TypeAlias = Completed | Failed | Cancellation

TaskEvent: TypeAlias = (
    Started
    | TurnStarted
    | TurnCompleted
    | AwaitsTurn
    | Thinking
    | Text
    | ToolCall
    | ToolResult
    | PlanCreated
    | StepStarted
    | StepProgress
    | StepCompleted
    | Question
    | Answered
    | ClientToolCall
    | ClientToolResult
    | Artifact
    | Completed
    | Failed
    | Cancellation
    | Gap
    | Snapshot
    | Event
)
"""`Event` itself stands for a type of the agent's own."""

_KINDS: dict[str, type[TaskEvent]] = {
    "task.started": Started,
    "task.turn_started": TurnStarted,
    "task.turn_completed": TurnCompleted,
    "task.waiting": AwaitsTurn,
    "agent.thinking": Thinking,
    "agent.message": Text,
    "agent.tool_call": ToolCall,
    "agent.tool_result": ToolResult,
    "agent.client_tool_call": ClientToolCall,
    "agent.client_tool_result": ClientToolResult,
    "agent.artifact": Artifact,
    "plan.created": PlanCreated,
    "step.started": StepStarted,
    "step.progress": StepProgress,
    "step.completed": StepCompleted,
    "step.confirm": Question,
    "step.confirmed": Answered,
    "task.completed": Completed,
    "task.failed": Failed,
    "task.cancelled": Cancellation,
}


def read_task_event(pushed: Pushed) -> TaskEvent:
    """The typed form of an event of channel `task`. One whose data is not as expected stays as it is: an agent may emit
    what it likes."""
    if isinstance(pushed, Gap | Snapshot):
        return pushed
    kind = _KINDS.get(pushed.event_type)
    if kind is None:
        return pushed
    try:
        return msgspec.convert(pushed.data, kind)
    except msgspec.ValidationError:
        return pushed
