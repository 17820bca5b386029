"""What a client of a dialect reads: each message in the form that the dialect's document gives it.

Members may be added, none may be missing: a frame that is none of these does not decode.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class _AgentFrame(msgspec.Struct, tag_field="type"):
    timestamp: float
    position: str


class StreamStart(_AgentFrame, tag="stream_start"):
    pass


class StreamChunk(_AgentFrame, tag="stream_chunk"):
    content: str


class StreamEnd(_AgentFrame, tag="stream_end"):
    pass


class Cancelled(_AgentFrame, tag="cancelled"):
    pass


class AgentError(_AgentFrame, tag="error"):
    error: str


class AgentEvent(_AgentFrame, tag="event"):
    event_type: str
    data: Any


class AgentGap(_AgentFrame, tag="gap"):
    from_: int = msgspec.field(name="from")
    to: int
    reason: str


class SaidInSession(_AgentFrame, tag="message"):
    role: str
    content: str
    task_id: str
    session_id: str


class RoomMessage(_AgentFrame, tag="room_message"):
    room: str
    user_id: str
    content: str


class Joined(_AgentFrame, tag="room_member_joined"):
    room: str
    user_id: str


class Left(_AgentFrame, tag="room_member_left"):
    room: str
    user_id: str


class AgentBroadcast(_AgentFrame, tag="broadcast"):
    message: str


AgentFrame = (
    StreamStart
    | StreamChunk
    | StreamEnd
    | Cancelled
    | AgentError
    | AgentEvent
    | AgentGap
    | SaidInSession
    | AgentBroadcast
    | RoomMessage
    | Joined
    | Left
)


class Status(msgspec.Struct):
    state: Literal["idle", "planning", "executing", "waiting", "complete", "error"]
    message: str


class PlanStep(msgspec.Struct):
    id: str
    name: str
    description: str
    type: str
    status: str


class Plan(msgspec.Struct):
    steps: list[PlanStep]


class PlanData(msgspec.Struct):
    plan: Plan


class StepData(msgspec.Struct, rename="camel"):
    step_id: str
    step_name: str


class ProgressData(StepData):
    progress: float
    message: str


class StepResult(msgspec.Struct):
    status: str
    output: Any
    duration: int


class CompleteData(StepData):
    result: StepResult


class StepErrorData(StepData):
    error: str


class ConfirmationData(StepData):
    reason: str


class WaitingToolData(msgspec.Struct, rename="camel"):
    call_id: str
    task_id: str
    name: Any
    arguments: Any


class ToolAnsweredData(msgspec.Struct, rename="camel"):
    call_id: str
    task_id: str
    success: bool
    by: Any


class TaskCompleteData(msgspec.Struct, rename="camel"):
    success: bool
    task_id: str
    output: Any
    summary: str
    error: str | None
    duration: int


class TaskErrorData(msgspec.Struct):
    error: str


class TaskGapData(msgspec.Struct, rename="camel"):
    task_id: str
    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    reason: str


STEPS_DATA: dict[str, Any] = {
    "gap": TaskGapData,
    "status": Status,
    "plan:created": PlanData,
    "plan:updated": PlanData,
    "step:start": StepData,
    "step:progress": ProgressData,
    "step:complete": CompleteData,
    "step:error": StepErrorData,
    "waiting:confirmation": ConfirmationData,
    "waiting:tool": WaitingToolData,
    "tool:answered": ToolAnsweredData,
    "task:complete": TaskCompleteData,
    "task:error": TaskErrorData,
}


class StepsFrame(msgspec.Struct, rename="camel"):
    type: str
    data: Any
    timestamp: int
    event_id: str


class ChatMessage(msgspec.Struct):
    id: int
    role: Literal["user", "assistant"]
    content: str
    message_chain: list[dict[str, Any]]
    timestamp: str
    is_final: bool
    connection_id: str


SessionType = Literal["person", "group"]


class UserMessage(msgspec.Struct, tag_field="type", tag="user_message"):
    session_type: SessionType
    data: ChatMessage


class Response(msgspec.Struct, tag_field="type", tag="response"):
    session_type: SessionType
    data: ChatMessage


class BroadcastMessage(msgspec.Struct, tag_field="type", tag="broadcast"):
    message: str
    timestamp: str


class RoomChange(msgspec.Struct, tag_field="type", tag="recalled"):
    session_type: SessionType


class RoomRead(msgspec.Struct, tag_field="type", tag="read"):
    session_type: SessionType


class RoomReset(msgspec.Struct, tag_field="type", tag="reset"):
    session_type: SessionType


PipelineFrame = UserMessage | Response | BroadcastMessage | RoomChange | RoomRead | RoomReset


class TextPart(msgspec.Struct, tag_field="type", tag="text"):
    text: str


class WalletMessage(msgspec.Struct):
    id: str
    role: str
    content: list[TextPart]


class NewMessage(msgspec.Struct, tag_field="type", tag="new_message"):
    conversation_id: str
    message: WalletMessage


class TaskStatus(msgspec.Struct):
    state: Literal["submitted", "working", "input-required", "completed", "canceled", "failed", "unknown"]
    message: str
    timestamp: str


class Turn(msgspec.Struct):
    role: str
    parts: list[TextPart]


class WalletArtifact(msgspec.Struct):
    name: str
    parts: list[TextPart]


class WalletTask(msgspec.Struct, rename="camel"):
    id: str
    session_id: str
    status: TaskStatus
    history: list[Turn]
    artifacts: list[WalletArtifact]


class TaskUpdate(msgspec.Struct, tag_field="type", tag="task_update"):
    conversation_id: str
    task: WalletTask


WalletFrame = NewMessage | TaskUpdate
