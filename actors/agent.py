"""The agent's side: the function that a user writes, and the context that it is handed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import msgspec
import trio

from actors.event import Event, Json, Merge
from actors.model import Completion, ModelMessage
from actors.tool import ToolSpec

_RESUMABLE = "is_resumable"


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation. `role` is user or assistant; `timestamp` is Unix milliseconds. One that was taken
    back is `redacted`: it keeps its place and says nothing."""

    role: str
    content: str
    task_id: str
    timestamp: int
    redacted: bool = False


class PlanStep(msgspec.Struct, frozen=True):
    """A step that an agent announces. `type` is free: `tool`, `think`, `confirm`, …; `tool` names the tool that it
    uses, `status` is `pending`, `running`, `success`, `failed` or `skipped`."""

    id: str
    name: str
    description: str = ""
    type: str = "step"
    tool: str = ""
    status: str = "pending"

    def described(self) -> Json:
        """As clients see it. Only a step that uses a tool names one."""
        described: dict[str, Json] = {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "type": self.type,
            "status": self.status,
        }
        return {**described, "tool": self.tool} if self.tool else described


class Result(msgspec.Struct, frozen=True):
    """What a turn came to. `text` joins the conversation as the assistant's message; `data` is for programs."""

    text: str
    data: Json = None


class AgentError(Exception):
    """Raised by an agent that cannot go on, for a reason that its client should read.

    The task fails with `cause` (a short code) and `message`. Any other exception fails it as `agent_crashed`.
    """

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


class TaskContext(ABC):
    """What an agent has of the engine while it runs.

    Every method that emits waits while the engine cannot take more, and raises trio.Cancelled when the task is
    cancelled: let it pass. Nothing can be emitted after the task has ended (RuntimeError).
    """

    task_id: str
    user_id: str
    session_id: str | None
    turn: int
    """Counts from 1; each appended turn runs the agent again with the next number."""
    prompt: str
    """The prompt of this turn."""
    context: Mapping[str, Json]
    """What the client sent beside the prompt."""
    history: Sequence[Message]
    """The conversation before this turn, oldest first: the session's, or this task's own earlier turns."""
    journal: Sequence[Event] = ()
    """All that the task had told before the engine fell, of an agent that is `resumable` and was started again; the
    adjacent pieces of a text in one event. Else nothing."""

    @abstractmethod
    async def emit(self, event_type: str, data: Json, *, merge: Merge = Merge.NEVER, merge_key: str = "") -> None:
        """The general form. Raises CallboardError INVALID_PAYLOAD for a bad or reserved type name, or data not JSON."""

    @abstractmethod
    async def confirm(self, step_id: str, reason: str, *, step_name: str = "", timeout: float | None = None) -> bool:
        """Asks every device of the user for a yes or no and waits for the first valid answer.

        False also when `timeout` seconds (the configured time without one) pass unanswered. Raises ValueError where the
        step waits for an answer already.
        """

    @abstractmethod
    async def call_client_tool(self, name: str, arguments: Json, *, timeout: float | None = None) -> Json:
        """Has one of the user's devices carry out a tool call: read a clipboard, show a file, press a button.

        All of them are asked; the first valid answer is returned. Raises ToolError where that says that it failed,
        where `timeout` seconds (the configured time without one) pass unanswered, and for arguments that are too large.
        """

    @abstractmethod
    async def once(self, key: str, function: Callable[[], Awaitable[Json]]) -> Json:
        """What the function returns, which is told in an event `task.once` and kept before this returns: the same key
        again gives the same result without another call, also after the agent was started again.

        Where the engine falls while the function runs it is called again. A key is the agent's own, for all turns of
        the task. Raises CallboardError INVALID_PAYLOAD for a result that is not JSON, and what the function raises.
        """

    @abstractmethod
    def next_turn_nowait(self) -> str | None:
        """Takes the next appended turn into this run, if one waits. Those not taken run afterwards, one by one."""

    @abstractmethod
    async def next_turn(self) -> str:
        """Waits for the next appended turn and takes it into this run. Where none is there yet, `task.waiting` says so
        and the task is `waiting` meanwhile."""

    @abstractmethod
    def sleep_until(self, deadline: float) -> Awaitable[None]:
        """As trio.sleep_until, for agents that pace what they tell: a few of them fall due together, up to a
        millisecond late, and share a timer, which costs less than half of trio's own."""

    def sleep(self, seconds: float) -> Awaitable[None]:
        """As `sleep_until`, from now on."""
        return self.sleep_until(trio.current_time() + seconds)

    @abstractmethod
    async def call_tool(self, name: str, arguments: Json) -> Json:
        """Runs a tool between `agent.tool_call` and `agent.tool_result`. Raises ToolError."""

    @abstractmethod
    async def call_model(
        self, messages: Sequence[ModelMessage], *, tools: Sequence[ToolSpec] = (), model: str = "default"
    ) -> Completion:
        """Calls a configured model, its text streamed as `agent.message` deltas. Raises ModelError."""

    @abstractmethod
    def tools(self) -> tuple[ToolSpec, ...]:
        """The tools that `call_tool` knows."""

    async def thinking(self, text: str, *, key: str = "") -> None:
        """A piece of reasoning, as it comes."""
        await self.emit("agent.thinking", {"content": text}, merge=Merge.TEXT, merge_key=key)

    async def message(self, delta: str, *, key: str = "") -> None:
        """A piece of the answer, as it comes. Pieces of one `key` form one message."""
        await self.emit("agent.message", {"content": delta}, merge=Merge.TEXT, merge_key=key)

    async def plan(self, steps: Sequence[PlanStep], *, goal: str = "") -> None:
        """What the agent intends to do."""
        await self.emit("plan.created", {"goal": goal, "steps": [step.described() for step in steps]})

    async def change_plan(self, steps: Sequence[PlanStep], *, goal: str = "") -> None:
        """What the agent intends to do instead; of each step, how far it has come."""
        await self.emit("plan.updated", {"goal": goal, "steps": [step.described() for step in steps]})

    async def step_started(self, step_id: str, name: str) -> None:
        await self.emit("step.started", {"step_id": step_id, "name": name})

    async def step_progress(self, step_id: str, progress: float, message: str = "") -> None:
        """`progress` runs from 0 to 1. A client that lags sees the last value only."""
        data: Json = {"step_id": step_id, "progress": progress, "message": message}
        await self.emit("step.progress", data, merge=Merge.LAST, merge_key=step_id)

    async def step_completed(self, step_id: str, name: str, *, output: Json = None, success: bool = True) -> None:
        data: Json = {"step_id": step_id, "name": name, "success": success, "output": output}
        await self.emit("step.completed", data)

    async def artifact(self, name: str, media_type: str, content: str) -> None:
        """A finished piece of work: a document, a table, a picture as a data URL."""
        await self.emit("agent.artifact", {"name": name, "media_type": media_type, "content": content})


Agent: TypeAlias = Callable[[TaskContext], Awaitable[Result]]
"""An agent is an async function of its context."""

A = TypeVar("A", bound=Agent)


def resumable(agent: A) -> A:
    """Declares that the agent may be started again in the midst of a turn, where the engine has fallen: with the same
    turn and prompt, and with the `journal` of what it had told. Of any other agent such a task has failed.

    As a decorator: `@resumable` above `async def agent(task)`.
    """
    setattr(agent, _RESUMABLE, True)
    return agent


def is_resumable(agent: Agent) -> bool:
    return getattr(agent, _RESUMABLE, False) is True
