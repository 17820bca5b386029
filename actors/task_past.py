"""What a task did in an earlier life of the engine, as its log tells it."""

from __future__ import annotations

import re
from typing import cast

from actors.agent import Message
from actors.event import Event, Json
from actors.fold import Members, Text, members, text_of
from actors.log import Log
from actors.merge import merge_events
from actors.questions import Kind

_PAGE_EVENTS = 1024
_PAGE_BYTES = 1024 * 1024
_CALL = re.compile(r"(?:call|message)-([0-9]{1,9})", re.ASCII)


class Past:
    """What joins the conversation of it, and what was under way when it stopped."""

    def __init__(self, task_id: str, *, remote: bool) -> None:
        """`remote`: a turn that its agent ended without a text has said what it streamed."""
        self.said: list[Message] = []
        """The messages of all turns, but for the answer that was under way."""
        self.turn = 0
        self.prompt = ""
        self.is_turn_over = True
        """No turn was under way."""
        self.calls = 0
        """The highest number that a tool call or a message of the model had."""
        self.questions: dict[tuple[Kind, str], Event] = {}
        """The events that ask what is still open, by the kind and name of the question."""
        self.results: dict[str, Json] = {}
        """Of `TaskContext.once`, by its key."""
        self.is_over = False
        self._task_id = task_id
        self._remote = remote
        self._text = Text()

    @property
    def text(self) -> str:
        """The answer that was under way."""
        return str(self._text)

    def apply(self, event: Event) -> None:
        data = members(event)
        self._note_question(event, data)
        match event.event_type:
            case "task.turn_started":
                self._end_turn(self.text, event.timestamp)
                self._begin_turn(data, event.timestamp)
            case "task.turn_completed":
                result = text_of(data, "result")
                self._end_turn(result or (self.text if self._remote else ""), event.timestamp)
            case "agent.message":
                self._text.add(text_of(data, "content"))
                self._count_call(event.merge_key)
            case "agent.tool_call" | "agent.client_tool_call":
                self._count_call(text_of(data, "call_id"))
            case "task.once":
                self.results[text_of(data, "key")] = cast("Json", data.get("result"))
            case "task.completed" | "task.failed" | "task.cancelled":
                self.is_over = True
            case _:
                pass

    def _begin_turn(self, data: Members, timestamp: int) -> None:
        turn = data.get("turn")
        self.turn = turn if isinstance(turn, int) else self.turn + 1
        self.prompt = text_of(data, "prompt")
        self.is_turn_over = False
        self.said.append(Message("user", self.prompt, self._task_id, timestamp, data.get("redacted") is True))

    def _end_turn(self, answer: str, timestamp: int) -> None:
        if answer:
            self.said.append(Message("assistant", answer, self._task_id, timestamp))
        self._text = Text()
        self.is_turn_over = True

    def _note_question(self, event: Event, data: Members) -> None:
        for kind in Kind:
            if event.event_type == kind.asks:
                self.questions[kind, text_of(data, kind.names)] = event
            elif event.event_type == kind.tells:
                self.questions.pop((kind, text_of(data, kind.names)), None)

    def _count_call(self, name: str) -> None:
        found = _CALL.fullmatch(name)
        if found is not None:
            self.calls = max(self.calls, int(found[1]))


async def read_past(log: Log, *, remote: bool) -> Past:
    """Raises actors.store.StoreError."""
    past = Past(log.key.topic, remote=remote)
    after = 0
    while page := await _page(log, after):
        for event in page:
            past.apply(event)
        after = page[-1].offset
    return past


async def read_journal(log: Log) -> tuple[Event, ...]:
    """All events that are kept, the adjacent pieces of a text in one. Raises actors.store.StoreError."""
    events: list[Event] = []
    after = 0
    while page := await _page(log, after):
        last = [events.pop()] if events else []
        events += merge_events([*last, *page])
        after = page[-1].offset
    return tuple(events)


async def _page(log: Log, after: int) -> list[Event]:
    return await log.page(after, max_events=_PAGE_EVENTS, max_bytes=_PAGE_BYTES)
