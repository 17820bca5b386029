"""The context that a running task hands to its agent."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec
import trio

from actors.agent import Message, TaskContext
from actors.channels import Channels
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Json, Merge, draft, now_ms
from actors.model import Completion, Model, ModelError, ModelMessage
from actors.task_record import TaskRecord
from actors.tool import Toolbox, ToolError, ToolSpec

RESERVED_TYPES = frozenset(
    {
        "task.started",
        "task.turn_started",
        "task.turn_completed",
        "task.waiting",
        "task.completed",
        "task.failed",
        "task.cancelled",
        "step.confirm",
        "step.confirmed",
        "chat.message",
        "chat.reset",
        "snapshot",
        "chat.recalled",
        "chat.read",
        "gap",
        "redacted",
        "subscribed",
    }
)
"""Event types that only the engine itself emits: a client may believe what they say."""

ANSWER_TYPE = "agent.message"
"""Events of this type carry pieces of the answer."""


class TaskServices(msgspec.Struct, frozen=True):
    """What a task needs of the engine. Deadlines are seconds."""

    channels: Channels
    toolbox: Toolbox
    models: Mapping[str, Model]
    confirm_seconds: float
    cancel_seconds: float


class RunningContext(TaskContext):
    """Stands between one agent and the engine for as long as the task runs; closed, it refuses everything."""

    def __init__(self, record: TaskRecord, key: ChannelKey, services: TaskServices) -> None:
        self.task_id = record.id
        self.user_id = record.user_id
        self.session_id = record.command.session_id
        self.context: Mapping[str, Json] = record.command.context
        self.turn = 0
        self.prompt = ""
        self.said: list[Message] = []
        """The messages of this run that are to join the conversation."""
        self._record = record
        self._key = key
        self._services = services
        self._before: Sequence[Message] = ()
        self._text: list[str] = []
        self._due: list[Draft] = []
        self._asked: list[Draft] = []
        """What is due on the session's topic."""
        self._closed = False
        self._calls = 0

    @property
    def history(self) -> Sequence[Message]:  # type: ignore[override]  # read-only here: it grows with the turns
        return (*self._before, *self.said[:-1])

    def remember(self, conversation: Sequence[Message]) -> None:
        self._before = conversation

    def begin_turn(self, prompt: str) -> None:
        """Makes `prompt` the current turn; its event goes out before the next one."""
        self._finish_turn()
        self.turn, self.prompt = self._record.turn, prompt
        # The draft comes first: what JSON cannot hold must not join the conversation.
        self._due.append(draft("task.turn_started", {"task_id": self.task_id, "turn": self.turn, "prompt": prompt}))
        self._asked.append(session_prompt(self.task_id, self.turn, prompt))
        self.said.append(Message("user", prompt, self.task_id, now_ms()))

    def end_turn(self, text: str | None) -> None:
        """The agent's own words join the conversation: `text`, or what it has streamed where it gives none."""
        answer = "".join(self._text) if text is None else text
        self._text.clear()
        if answer:
            self.said.append(Message("assistant", answer, self.task_id, now_ms()))

    def close(self) -> None:
        self._closed = True

    async def flush(self) -> None:
        """Emits what `begin_turn` left due."""
        if self._due:
            await self._emit()

    async def emit(self, event_type: str, data: Json, *, merge: Merge = Merge.NEVER, merge_key: str = "") -> None:
        if event_type in RESERVED_TYPES:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{event_type} is for the engine alone to emit")
        emitted = draft(event_type, data, merge=merge, merge_key=merge_key)
        if event_type == ANSWER_TYPE:
            await self._emit_answer(emitted, streamed_text(data))
        else:
            await self._emit(emitted)

    async def confirm(self, step_id: str, reason: str, *, step_name: str = "", timeout: float | None = None) -> bool:
        seconds = self._services.confirm_seconds if timeout is None else timeout
        confirmation = self._record.open_confirmation(step_id)
        data: Json = {
            "step_id": step_id,
            "step_name": step_name,
            "reason": reason,
            "expires_at": now_ms() + int(seconds * 1000),
        }
        try:
            await self._emit(draft("step.confirm", data))
            with trio.move_on_after(seconds):
                await confirmation.answered.wait()
        finally:
            self._record.close_confirmation(confirmation)
        outcome: Json = {"step_id": step_id, "approved": confirmation.approved, "by": confirmation.by}
        await self._emit(draft("step.confirmed", outcome))
        return confirmation.approved

    def next_turn_nowait(self) -> str | None:
        prompt = self._record.take_turn()
        if prompt is not None:
            self.begin_turn(prompt)
        return prompt

    async def next_turn(self) -> str:
        if (prompt := self.next_turn_nowait()) is None:
            await self._emit(draft("task.waiting", {"task_id": self.task_id, "turn": self.turn}))
        while prompt is None:
            await self._record.wait_turn()
            prompt = self.next_turn_nowait()
        await self.flush()
        return prompt

    def tools(self) -> tuple[ToolSpec, ...]:
        return self._services.toolbox.specs()

    async def call_tool(self, name: str, arguments: Json) -> Json:
        self._calls += 1
        call_id = f"call-{self._calls}"
        await self.emit("agent.tool_call", {"call_id": call_id, "name": name, "arguments": arguments})
        began = time.monotonic()
        outcome: dict[str, Json]
        try:
            result = await self._services.toolbox.call(name, arguments)
        except ToolError as error:
            outcome = {"success": False, "error": str(error)}
            await self._tool_ended(call_id, name, outcome, began)
            raise
        await self._tool_ended(call_id, name, {"success": True, "result": result}, began)
        return result

    async def call_model(
        self, messages: Sequence[ModelMessage], *, tools: Sequence[ToolSpec] = (), model: str = "default"
    ) -> Completion:
        endpoint = self._services.models.get(model)
        if endpoint is None:
            raise ModelError("not_configured", f"no model is configured under the name {model!r}")
        self._calls += 1
        key = f"message-{self._calls}"

        async def on_text(piece: str) -> None:
            await self.message(piece, key=key)

        return await endpoint.complete(messages, tools=tools, on_text=on_text)

    def _finish_turn(self) -> None:
        if self.turn:
            self.end_turn(None)

    async def _tool_ended(self, call_id: str, name: str, outcome: dict[str, Json], began: float) -> None:
        duration = round((time.monotonic() - began) * 1000, 3)
        await self.emit("agent.tool_result", {"call_id": call_id, "name": name, **outcome, "duration_ms": duration})

    async def _emit(self, *drafts: Draft) -> None:
        if self._closed:
            raise RuntimeError(f"task {self.task_id} has ended: nothing can be emitted any more")
        due, self._due = self._due, []
        asked, self._asked = self._asked, []
        await self._services.channels.emit(self._key, *due, *drafts)
        if asked and self.session_id is not None:
            await self._services.channels.emit(ChannelKey("session", self.session_id, self.user_id), *asked)

    async def _emit_answer(self, emitted: Draft, text: str) -> None:
        """Who follows the session sees the answer grow, without following each task of it."""
        if text:
            self._text.append(text)
        await self._emit(emitted)
        if self.session_id is not None:
            key = ChannelKey("session", self.session_id, self.user_id)
            await self._services.channels.emit(key, session_echo(emitted, text, self.task_id))


def session_prompt(task_id: str, turn: int, prompt: str) -> Draft:
    """What a task is asked, as an event of its session, ahead of the pieces of the answer."""
    return draft("input", {"exec_id": task_id, "turn": turn, "content": prompt})


def session_echo(emitted: Draft, text: str, task_id: str) -> Draft:
    """A piece of an answer as an event of its session."""
    body = msgspec.json.encode({"exec_id": task_id, "content": text})
    return msgspec.structs.replace(emitted, event_type="output", body=body)


def streamed_text(data: Json) -> str:
    """The piece of the answer in the data of an event of ANSWER_TYPE; empty where there is none."""
    content = data.get("content") if isinstance(data, dict) else None
    return content if isinstance(content, str) else ""
