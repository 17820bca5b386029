"""A TaskContext without an engine: it keeps what an agent emits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import trio

from actors.agent import Message, TaskContext
from actors.event import Json, Merge, draft
from actors.model import Completion, Model, ModelError, ModelMessage
from actors.tool import ToolError, ToolSpec
from engine.tools.registry import ToolRegistry


class FakeContext(TaskContext):
    """Emitted events are in `events` as (type, data), checked as the engine checks them.

    `answers` are given to confirmations in turn, `client_tools` hold what calls of them return. `emitted(n)` lets a
    test wait for the n-th event.
    """

    def __init__(
        self,
        prompt: str,
        *,
        tools: ToolRegistry | None = None,
        models: Mapping[str, Model] | None = None,
        history: Sequence[Message] = (),
        answers: Sequence[bool] = (),
        client_tools: Mapping[str, Json] | None = None,
        turn: int = 1,
    ) -> None:
        self.task_id = "task-1"
        self.user_id = "ann"
        self.session_id = None
        self.turn = turn
        self.prompt = prompt
        self.context = {}
        self.history = tuple(history)
        self.events: list[tuple[str, Json]] = []
        self._toolbox = tools or ToolRegistry()
        self.models = dict(models or {})
        self._answers = list(answers)
        self._client_tools = dict(client_tools or {})
        self._changed = trio.Condition()

    async def emit(self, event_type: str, data: Json, *, merge: Merge = Merge.NEVER, merge_key: str = "") -> None:
        draft(event_type, data, merge=merge, merge_key=merge_key)
        await trio.lowlevel.checkpoint()
        async with self._changed:
            self.events.append((event_type, data))
            self._changed.notify_all()

    async def emitted(self, count: int) -> None:
        """Waits until `count` events were emitted."""
        async with self._changed:
            while len(self.events) < count:
                await self._changed.wait()

    async def once(self, key: str, function: Callable[[], Awaitable[Json]]) -> Json:
        await self.emit("task.once", {"key": key, "result": (result := await function())})
        return result

    async def confirm(self, step_id: str, reason: str, *, step_name: str = "", timeout: float | None = None) -> bool:
        await self.emit("step.confirm", {"step_id": step_id, "step_name": step_name, "reason": reason})
        return self._answers.pop(0)

    async def call_client_tool(self, name: str, arguments: Json, *, timeout: float | None = None) -> Json:
        await self.emit("agent.client_tool_call", {"call_id": "call-1", "name": name, "arguments": arguments})
        if name not in self._client_tools:
            raise ToolError(f"{name}: nobody answered in time")
        return self._client_tools[name]

    def next_turn_nowait(self) -> str | None:
        return None

    async def next_turn(self) -> str:
        """Nobody appends a turn here: an agent that waits for one waits until it is cancelled."""
        await trio.sleep_forever()
        raise AssertionError

    async def call_tool(self, name: str, arguments: Json) -> Json:
        await self.emit("agent.tool_call", {"name": name, "arguments": arguments})
        try:
            result = await self._toolbox.call(name, arguments)
        except ToolError as error:
            await self.emit("agent.tool_result", {"name": name, "success": False, "error": str(error)})
            raise
        await self.emit("agent.tool_result", {"name": name, "success": True, "result": result})
        return result

    async def call_model(
        self, messages: Sequence[ModelMessage], *, tools: Sequence[ToolSpec] = (), model: str = "default"
    ) -> Completion:
        if model not in self.models:
            raise ModelError("unknown_model", f"there is no model named {model}")
        return await self.models[model].complete(messages, tools=tools, on_text=self.message)

    def sleep_until(self, deadline: float) -> Awaitable[None]:
        return trio.sleep_until(deadline)

    def tools(self) -> tuple[ToolSpec, ...]:
        return self._toolbox.specs()

    def types(self) -> list[str]:
        return [event_type for event_type, _ in self.events]

    def data(self, event_type: str) -> list[dict[str, Json]]:
        """The data of all events of a type."""
        return [data for kind, data in self.events if kind == event_type and isinstance(data, dict)]

    def text(self) -> str:
        """The message as a client puts it together."""
        return "".join(str(data["content"]) for data in self.data("agent.message"))
