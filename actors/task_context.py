"""The context that a running task hands to its agent."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import msgspec
import trio

from actors.agent import Message, TaskContext
from actors.channel import Addition
from actors.channels import Channels
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Event, Json, Merge, draft, now_ms
from actors.kept_questions import asked_records, settled_records
from actors.mailbox import Reply
from actors.model import Completion, Model, ModelError, ModelMessage
from actors.position import Position
from actors.question_kind import Kind
from actors.questions import Answer, Approval, Ended, Question, Settled, ToolFailed, ToolReturned, asking
from actors.session import Session
from actors.store import Record
from actors.task_past import Past
from actors.task_record import TaskRecord
from actors.timers import Timers
from actors.tool import Toolbox, ToolError, ToolSpec

RESERVED_TYPES = frozenset(
    {
        "task.started",
        "task.turn_started",
        "task.turn_completed",
        "task.waiting",
        "task.resumed",
        "task.once",
        "task.completed",
        "task.failed",
        "task.cancelled",
        "step.confirm",
        "step.confirmed",
        "agent.client_tool_call",
        "agent.client_tool_result",
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
    """What a task needs of the engine. Deadlines are seconds; `client_tool_bytes` bounds the arguments of a call that a
    client carries out, and its result."""

    channels: Channels
    toolbox: Toolbox
    models: Mapping[str, Model]
    timers: Timers
    confirm_seconds: float
    cancel_seconds: float
    client_tool_seconds: float
    client_tool_bytes: int


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
        self._before: Sequence[Message] = ()
        self._text: list[str] = []
        self._due = _Due()
        self._beginning: trio.Event | None = None
        """A turn is about to begin: nothing else goes ahead of that."""
        self._closed = False
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
        self.said = list(past.said)
        self.turn, self.prompt = past.turn, past.prompt
        self._text = [past.text]
        self._calls = past.calls
        self._results = dict(past.results)
        self._past = past
        for question in self._record.questions.open():
            self._note_settled(self._record.end_question(question, Ended.WITHDRAWN))

    async def say_resumed(self) -> bool:
        """Returns whether a turn was under way, which is to be run again."""
        past, self._past = self._past, None
        if past is None or past.is_turn_over:
            return False
        await self._emit(draft("task.resumed", {"task_id": self.task_id, "turn": self.turn}))
        return True

    def remember(self, conversation: Sequence[Message]) -> None:
        self._before = conversation

    def begin_turn(self, prompt: str) -> None:
        """Makes `prompt` the current turn; its event goes out before the next one."""
        self._finish_turn()
        self.turn, self.prompt = self._record.turn, prompt
        # The draft comes first: what JSON cannot hold must not join the conversation.
        begun = draft("task.turn_started", {"task_id": self.task_id, "turn": self.turn, "prompt": prompt})
        self._due.drafts.append(begun)
        self._due.prompts.append(session_prompt(self.task_id, self.turn, prompt))
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
        if self._due.drafts:
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
        await self._emit_kept(draft("task.once", {"key": key, "result": result}))
        self._results[key] = result
        return result

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
            question.offset = (await (await self._append(question)).wait()).offset
            with trio.CancelScope(deadline=question.deadline):
                await question.answered.wait()
            how = Ended.EXPIRED
        finally:
            settled = self._record.end_question(question, how)
            # Where the agent itself gives up waiting, it goes ahead of whatever is emitted next.
            self._note_settled(settled)
            if how is Ended.WITHDRAWN:
                question.told.set()
        try:
            question.telling = await self._append()
        finally:
            question.told.set()
        return settled.outcome

    def _note_settled(self, settled: Settled) -> None:
        self._due.drafts.append(settled.told)
        self._due.records += settled_records(self._record, settled)

    async def _append(self, *items: Draft | Question) -> Reply[Position]:
        """As `_emit`; the reply comes once they are in the log."""
        reply: Reply[Position] = Reply()
        due = await self._take_due()
        questions = [*due.drafts, *items]
        drafts = [item.asked if isinstance(item, Question) else item for item in questions]
        located = partial(asked_records, self._record, questions)
        await self._add(due, Addition(self._key, tuple(drafts), due.kept, located, reply, patient=True))
        return reply

    async def _tool_ended(self, call_id: str, name: str, outcome: dict[str, Json], began: float) -> None:
        duration = round((time.monotonic() - began) * 1000, 3)
        await self.emit("agent.tool_result", {"call_id": call_id, "name": name, **outcome, "duration_ms": duration})

    async def _emit_kept(self, emitted: Draft) -> None:
        """Returns once it is kept."""
        await (await self._append(emitted)).wait()

    def _emit(self, *drafts: Draft, echo: Draft | None = None) -> Awaitable[None]:
        """`echo`: what the session's topic is told, as one with that."""
        if self._session is None and not self._due.drafts and self._beginning is None and not self._closed:
            # Most of what is ever emitted: nothing goes ahead of it, and nobody else is told.
            return self._services.channels.emit(self._key, *drafts)
        return self._emit_due(drafts, echo)

    async def _emit_due(self, drafts: tuple[Draft, ...], echo: Draft | None) -> None:
        due = await self._take_due()
        await self._add(due, Addition(self._key, (*due.drafts, *drafts), due.kept), echo)

    async def _add(self, due: _Due, addition: Addition, echo: Draft | None = None) -> None:
        session, channels = self._session, self._services.channels
        echoes = () if echo is None else (echo,)
        if session is None:
            await channels.add(addition)
        elif due.prompts:
            self._beginning = begun = trio.Event()
            try:
                await session.hear(self.task_id, self.said, addition, after=(*due.prompts, *echoes))
            finally:
                self._beginning = None
                begun.set()
        elif echoes:
            await channels.add(addition, Addition(session.key, echoes))
        else:
            await channels.add(addition)

    async def _take_due(self) -> _Due:
        """What goes ahead of the next event."""
        while self._beginning is not None:
            await self._beginning.wait()
        if self._closed:
            raise RuntimeError(f"task {self.task_id} has ended: nothing can be emitted any more")
        if not self._due.drafts:
            return self._due
        due, self._due = self._due, _Due()
        return due

    async def _emit_answer(self, emitted: Draft, text: str) -> None:
        """Who follows the session sees the answer grow, without following each task of it."""
        if text:
            self._text.append(text)
        await self._emit(emitted, echo=session_echo(emitted, text, self.task_id))


class _Due:
    """What is to go ahead of the next event: on the task's topic, what is kept with that, and on the session's."""

    __slots__ = ("drafts", "prompts", "records")

    def __init__(self) -> None:
        self.drafts: list[Draft] = []
        self.records: list[Record] = []
        self.prompts: list[Draft] = []

    def kept(self) -> tuple[Record, ...]:
        return tuple(self.records)


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
