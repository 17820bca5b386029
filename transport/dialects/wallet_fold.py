"""A task of the wallet dialect, event by event. Pure."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TypeVar

import msgspec

from actors.event import Event
from transport.dialects.wallet_questions import WalletQuestions
from transport.dialects.wallet_task import Artifact, HistoryEntry, State, Status, TextPart, WalletTask, iso

TEXT_CHARACTERS = 1_000_000
"""Kept of a task's messages, and as many of its artifacts: beyond it the oldest go, and a longer message is cut."""


_MISSING = "[some of what was said here is no longer kept]"


class Change(Enum):
    """What an event did to a task."""

    NOTHING = 0
    CONTENT = 1
    STATE = 2


class _Started(msgspec.Struct):
    session_id: str | None = None


class _Gap(msgspec.Struct):
    reason: str


class _Turn(msgspec.Struct):
    prompt: str


class _Result(msgspec.Struct):
    result: str | None = None


class _Failure(msgspec.Struct):
    error: str = ""


class _Cancelled(msgspec.Struct):
    reason: str = ""


class _Piece(msgspec.Struct):
    content: str


class _ArtifactData(msgspec.Struct):
    content: str
    name: str = ""
    media_type: str = ""


_Data = TypeVar("_Data", bound=msgspec.Struct)


class TaskFold:
    """One task, event by event. What an agent says in another form than the engine's own is passed over."""

    def __init__(self, task_id: str, timestamp: int) -> None:
        self.id = task_id
        self.session_id = ""
        self.state: State = "unknown"
        self.ended = False
        self.timestamp = timestamp
        """Unix milliseconds of the last change."""
        self._message = ""
        self._history: deque[HistoryEntry] = deque()
        self._history_size = 0
        self._artifacts: deque[Artifact] = deque()
        self._artifacts_size = 0
        self._pieces: dict[str, list[str]] = {}
        """The messages that still grow, by their keys."""
        self._pieces_size = 0
        self._said: list[str] = []
        """The agent's whole messages of this turn."""
        self._questions = WalletQuestions()
        self._has_holes = False
        """Pieces of what the agent has said in this turn are gone: what the turn came to may hold them."""

    def submit(self, session_id: str, timestamp: int) -> Change:
        """The task was created. It may have begun meanwhile."""
        self.session_id = session_id
        return self._turn_to("submitted", "", timestamp) if self.state == "unknown" else Change.NOTHING

    def apply(self, event: Event) -> Change:
        change = Change.NOTHING if self.ended else self._apply(event)
        if change is not Change.NOTHING:
            self.timestamp = event.timestamp
        return change

    @property
    def asks(self) -> bool:
        """Whether it waits for an answer to a question."""
        return bool(self._questions)

    def snapshot(self) -> WalletTask:
        status = Status(self.state, self._message, iso(self.timestamp))
        return WalletTask(
            self.id,
            self.session_id,
            status,
            tuple(self._history),
            tuple(self._artifacts),
            self._questions.steps,
            self._questions.tool_calls,
        )

    def redact(self, *, asked: bool) -> None:
        """Forgets what was answered, `asked` also what was asked. What is added later stands."""
        kept = [] if asked else [entry for entry in self._history if entry.role == "user"]
        self._history = deque(kept)
        self._history_size = sum(len(part.text) for entry in kept for part in entry.parts)
        self._artifacts.clear()
        self._artifacts_size = 0
        self._pieces.clear()
        self._pieces_size = 0
        self._said.clear()
        self._questions.redact()
        self._message = ""

    def _apply(self, event: Event) -> Change:
        match event.event_type:
            case "task.started":
                if (started := _data(event, _Started)) is not None:
                    self.session_id = started.session_id or ""
                return self._turn_to("working", "", event.timestamp)
            case "task.turn_started":
                return self._begin_turn(event)
            case "agent.message":
                return self._take_piece(event)
            case "agent.tool_call":
                return self._finish_messages()
            case "agent.artifact":
                return self._take_artifact(event)
            case "task.turn_completed":
                return self._end_turn(event)
            case "task.waiting":
                return self._await_turn(event)
            case "step.confirm" | "agent.client_tool_call":
                return self._ask(event)
            case "step.confirmed" | "agent.client_tool_result":
                return self._settle(event)
            case "task.completed" | "task.failed" | "task.cancelled":
                return self._end(event)
            case "gap":
                return self._miss(event)
            case _:
                return Change.NOTHING

    def _miss(self, event: Event) -> Change:
        """What is gone is said to be gone."""
        gap = _data(event, _Gap)
        if gap is not None and gap.reason == "compacted":
            self._has_holes = True
            return Change.NOTHING
        self._finish_messages()
        self._add("system", _MISSING)
        return Change.CONTENT

    def _begin_turn(self, event: Event) -> Change:
        self._finish_messages()
        self._said.clear()
        if (turn := _data(event, _Turn)) is not None and turn.prompt:
            self._add("user", turn.prompt)
        if self._questions or self._turn_to("working", "", event.timestamp) is Change.NOTHING:
            return Change.CONTENT
        return Change.STATE

    def _await_turn(self, event: Event) -> Change:
        """The agent goes on with the next message: what it said last is what it asks."""
        self._finish_messages()
        self._turn_to("input-required", self._said[-1] if self._said else "", event.timestamp)
        return Change.STATE

    def _take_piece(self, event: Event) -> Change:
        piece = _data(event, _Piece)
        if piece is not None:
            text = piece.content[: TEXT_CHARACTERS - self._pieces_size]
            self._pieces.setdefault(event.merge_key, []).append(text)
            self._pieces_size += len(text)
        return self._turn_to("working", "", event.timestamp) if self.state == "unknown" else Change.NOTHING

    def _finish_messages(self) -> Change:
        texts = [text for pieces in self._pieces.values() if (text := "".join(pieces))]
        self._pieces.clear()
        self._pieces_size = 0
        for text in texts:
            self._say(text)
        return Change.CONTENT if texts else Change.NOTHING

    def _take_artifact(self, event: Event) -> Change:
        data = _data(event, _ArtifactData)
        if data is None:
            return Change.NOTHING
        self._finish_messages()
        self._artifacts.append(Artifact(data.name, (TextPart(data.content),), data.media_type))
        self._artifacts_size += len(data.content)
        while self._artifacts_size > TEXT_CHARACTERS and len(self._artifacts) > 1:
            self._artifacts_size -= len(self._artifacts.popleft().parts[0].text)
        return Change.CONTENT

    def _end_turn(self, event: Event) -> Change:
        before = self._finish_messages()
        result = _data(event, _Result)
        said = self._conclude(result.result or "") if result is not None else False
        return Change.CONTENT if said else before

    def _conclude(self, result: str) -> bool:
        """A result that repeats what was streamed is no message of its own."""
        if not result:
            self._tell_holes()
        self._has_holes = False
        if not result or result == "".join(self._said) or result in self._said[-1:]:
            return False
        self._say(result)
        return True

    def _ask(self, event: Event) -> Change:
        if not self._questions.ask(event):
            return Change.NOTHING
        self._finish_messages()
        self._turn_to("input-required", self._questions.message, event.timestamp)
        return Change.STATE

    def _settle(self, event: Event) -> Change:
        if not self._questions.settle(event):
            return Change.NOTHING
        if not self._questions:
            return self._turn_to("working", "", event.timestamp)
        self._turn_to("input-required", self._questions.message, event.timestamp)
        return Change.CONTENT

    def _end(self, event: Event) -> Change:
        self._finish_messages()
        self._questions.clear()
        self.ended = True
        match event.event_type:
            case "task.completed":
                result = _data(event, _Result)
                text = (result.result or "") if result is not None else ""
                self._conclude(text)
                return self._turn_to("completed", text, event.timestamp)
            case "task.failed":
                self._tell_holes()
                failure = _data(event, _Failure)
                return self._turn_to("failed", failure.error if failure is not None else "", event.timestamp)
            case _:
                self._tell_holes()
                cancelled = _data(event, _Cancelled)
                return self._turn_to("canceled", cancelled.reason if cancelled is not None else "", event.timestamp)

    def _tell_holes(self) -> None:
        if self._has_holes:
            self._has_holes = False
            self._add("system", _MISSING)

    def _say(self, text: str) -> None:
        self._said.append(text)
        self._add("agent", text)

    def _add(self, role: str, text: str) -> None:
        self._history.append(HistoryEntry(role, (TextPart(text),)))
        self._history_size += len(text)
        while self._history_size > TEXT_CHARACTERS and len(self._history) > 1:
            self._history_size -= len(self._history.popleft().parts[0].text)

    def _turn_to(self, state: State, message: str, timestamp: int) -> Change:
        if (self.state, self._message) == (state, message):
            return Change.NOTHING
        self.state, self._message, self.timestamp = state, message, timestamp
        return Change.STATE


def _data(event: Event, kind: type[_Data]) -> _Data | None:
    try:
        return msgspec.json.decode(event.body, type=kind)
    except msgspec.DecodeError:
        return None
