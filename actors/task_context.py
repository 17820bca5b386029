"""The context that a running task hands to its agent."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import trio

from actors.agent import Message, TaskContext
from actors.answer_events import ANSWER_TYPE, session_echo, session_prompt, streamed_text
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Event, Json, Merge, draft, now_ms
from actors.model import Completion, ModelError, ModelMessage
from actors.question_kind import Kind
from actors.questions import Answer, Approval, Ended, Question, ToolFailed, ToolReturned, asking
from actors.reserved_types import RESERVED_TYPES
from actors.session import Session
from actors.task_emitter import TaskEmitter
from actors.task_past import Past
from actors.task_record import TaskRecord
from actors.task_services import TaskServices
from actors.tool import ToolError, ToolSpec


class RunningContext(TaskContext):
    """Stands between one agent and the engine for as long as the task runs; closed, it refuses everything."""

    def __init__(
        self, record: TaskRecord, key: ChannelKey, services: TaskServices, session: Session | None = None
    ) -> None:
        self.task_id = record.id
        self.user_id = record.user_id
        self.session_id = record.command.session_id
        self.context: Mapping[str, Json] = record.command.context
        self.turn = 0
        self.prompt = ""
        self.said: list[Message] = []
        """The messages of this run: they join the conversation when a turn begins, and at the end."""
        self._record = record
        self._key = key
        self._services = services
        self._session = session
        self._emitter = TaskEmitter(record, key, services.channels, session, self.said)
        self._before: Sequence[Message] = ()
        self._text: list[str] = []
        self._calls = 0
        self._past: Past | None = None
        self._results: dict[str, Json] = {}

    @property
    def history(self) -> Sequence[Message]:  # type: ignore[override]  # read-only here: it grows with the turns
        before = self._before if self._session is None else self._session.record.history.left_of(self._before)
        return (*before, *self.said[:-1])

    def resume(self, past: Past, journal: Sequence[Event]) -> None:
        """Goes on behind what the task did in an earlier life of the engine."""
        self.journal = journal
        self.said += past.said
        self.turn, self.prompt = past.turn, past.prompt
        self._text = [past.text]
        self._calls = past.calls
        self._results = dict(past.results)
        self._past = past
        for question in self._record.questions.open():
            self._emitter.note_settled(self._record.end_question(question, Ended.WITHDRAWN))

    async def say_resumed(self) -> bool:
        """Returns whether a turn was under way, which is to be run again."""
        past, self._past = self._past, None
        if past is None or past.is_turn_over:
            return False
        await self._emitter.emit(draft("task.resumed", {"task_id": self.task_id, "turn": self.turn}))
        return True

    def remember(self, conversation: Sequence[Message]) -> None:
        self._before = conversation

    def begin_turn(self, prompt: str) -> None:
        """Makes `prompt` the current turn; its event goes out before the next one."""
        self._finish_turn()
        self.turn, self.prompt = self._record.turn, prompt
        # The draft comes first: what JSON cannot hold must not join the conversation.
        begun = draft("task.turn_started", {"task_id": self.task_id, "turn": self.turn, "prompt": prompt})
        self._emitter.begin_turn(begun, session_prompt(self.task_id, self.turn, prompt))
        self.said.append(Message("user", prompt, self.task_id, now_ms()))

    def end_turn(self, text: str | None) -> None:
        """The agent's own words join the conversation: `text`, or what it has streamed where it gives none."""
        answer = "".join(self._text) if text is None else text
        self._text.clear()
        if answer:
            self.said.append(Message("assistant", answer, self.task_id, now_ms()))

    def close(self) -> None:
        self._emitter.close()

    async def flush(self) -> None:
        """Emits what `begin_turn` left due."""
        if self._emitter.has_due:
            await self._emitter.emit()

    async def emit(self, event_type: str, data: Json, *, merge: Merge = Merge.NEVER, merge_key: str = "") -> None:
        if event_type in RESERVED_TYPES:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{event_type} is for the engine alone to emit")
        emitted = draft(event_type, data, merge=merge, merge_key=merge_key)
        if event_type == ANSWER_TYPE:
            await self._emit_answer(emitted, streamed_text(data))
        else:
            await self._emitter.emit(emitted)

    async def confirm(self, step_id: str, reason: str, *, step_name: str = "", timeout: float | None = None) -> bool:
        seconds = self._services.confirm_seconds if timeout is None else timeout
        asked = asking(Kind.STEP, step_id, {"step_name": step_name, "reason": reason}, seconds)
        outcome = await self._ask(Question(Kind.STEP, step_id, asked, trio.current_time() + seconds))
        return isinstance(outcome, Approval) and outcome.approved

    async def call_client_tool(self, name: str, arguments: Json, *, timeout: float | None = None) -> Json:
        seconds = self._services.client_tool_seconds if timeout is None else timeout
        most = self._services.client_tool_bytes
        self._calls += 1
        call_id = f"call-{self._calls}"
        asked = asking(Kind.TOOL_CALL, call_id, {"name": name, "arguments": arguments}, seconds)
        if len(asked.body) > most:
            raise ToolError(f"the arguments of a client tool call are at most {most} bytes (limits.client_tool_bytes)")
        question = Question(Kind.TOOL_CALL, call_id, asked, trio.current_time() + seconds, most)
        match await self._ask(question):
            case ToolReturned(result=result):
                return result
            case ToolFailed(error=error):
                raise ToolError(error)
            case Ended() as ended:
                raise ToolError(f"{name}: {ended.value.value}")
            case Approval():
                raise ToolError(f"{name}: the answer is none of a tool")

    async def once(self, key: str, function: Callable[[], Awaitable[Json]]) -> Json:
        if key in self._results:
            await trio.lowlevel.checkpoint()
            return self._results[key]
        result = await function()
        await self._emitter.keep(draft("task.once", {"key": key, "result": result}))
        self._results[key] = result
        return result

    def next_turn_nowait(self) -> str | None:
        prompt = self._record.take_turn()
        if prompt is not None:
            self.begin_turn(prompt)
        return prompt

    async def next_turn(self) -> str:
        if (prompt := self.next_turn_nowait()) is None:
            await self._emitter.emit(draft("task.waiting", {"task_id": self.task_id, "turn": self.turn}))
        while prompt is None:
            await self._record.wait_turn()
            prompt = self.next_turn_nowait()
        await self.flush()
        return prompt

    def sleep_until(self, deadline: float) -> Awaitable[None]:
        return self._services.timers.sleep_until(deadline)

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

    async def _ask(self, question: Question) -> Answer | Ended:
        """Asks, waits for the first valid answer, and tells all what became of it."""
        question.after = self._services.channels.log(self._key).tail
        self._record.ask(question)
        how = Ended.WITHDRAWN
        try:
            question.offset = (await (await self._emitter.append(question)).wait()).offset
            with trio.CancelScope(deadline=question.deadline):
                await question.answered.wait()
            how = Ended.EXPIRED
        finally:
            settled = self._record.end_question(question, how)
            # Where the agent itself gives up waiting, it goes ahead of whatever is emitted next.
            self._emitter.note_settled(settled)
            if how is Ended.WITHDRAWN:
                question.told.set()
        try:
            question.telling = await self._emitter.append()
        finally:
            question.told.set()
        return settled.outcome

    async def _tool_ended(self, call_id: str, name: str, outcome: dict[str, Json], began: float) -> None:
        duration = round((time.monotonic() - began) * 1000, 3)
        await self.emit("agent.tool_result", {"call_id": call_id, "name": name, **outcome, "duration_ms": duration})

    async def _emit_answer(self, emitted: Draft, text: str) -> None:
        """Who follows the session sees the answer grow, without following each task of it."""
        if text:
            self._text.append(text)
        echo = None if self._session is None else session_echo(emitted, text, self.task_id)
        await self._emitter.emit(emitted, echo=echo)
