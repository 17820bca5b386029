"""What the tasks of a room are saying, each in answer to what it was asked last."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

_ANSWER = "answer "
_GROWTH_CHARACTERS = 16 * 1024
_DISOWNED = "disowned"


class Answer(msgspec.Struct):
    """One that grows. `id` is 0 until it has begun, `due` is when more of it is to be told, in trio's time;
    `final_text` is as it stands in the conversation, once its turn has ended."""

    turn: int
    connection_id: str = ""
    stream: bool = True
    echo: dict[str, Any] = {}
    id: int = 0
    timestamp: int = 0
    text: str = ""
    final_text: str | None = None
    due: float = math.inf
    recalled: bool = False

    @property
    def whole(self) -> str:
        """What it came to: as it stands in the conversation, or what was streamed where it never came there."""
        return self.text if self.final_text is None else self.final_text

    def due_after(self, now: float, growth_seconds: float) -> float:
        """`growth_seconds` from now, and as much more for each 16 Ki characters that it has."""
        return now + growth_seconds * (1 + len(self.text) / _GROWTH_CHARACTERS)

    def redact(self) -> None:
        """Forgets what was said so far."""
        self.text, self.final_text = "", None


class Answers:
    """By their tasks. Whoever is given an answer to change it may do so until the next dump."""

    def __init__(self) -> None:
        self._answers: dict[str, Answer] = {}
        self._growing: dict[str, Answer] = {}
        self._disowned: set[str] = set()
        """Tasks that were asked before a reset and have not ended."""
        self._changed: dict[str, None] = {}
        """What has changed since it was dumped."""

    @property
    def due(self) -> float:
        return min((answer.due for answer in self._growing.values()), default=math.inf)

    def of(self, task_id: str) -> Answer | None:
        answer = self._answers.get(task_id)
        if answer is not None:
            self._changed[_ANSWER + task_id] = None
        return answer

    def put(self, task_id: str, answer: Answer) -> None:
        self._answers[task_id] = answer
        self._changed[_ANSWER + task_id] = None

    def pop(self, task_id: str) -> Answer | None:
        """Of a task that has ended."""
        if task_id in self._disowned:
            self._disowned.discard(task_id)
            self._changed[_DISOWNED] = None
        self.settle(task_id)
        self._changed[_ANSWER + task_id] = None
        return self._answers.pop(task_id, None)

    def is_disowned(self, task_id: str) -> bool:
        return task_id in self._disowned

    def hold(self, task_id: str, answer: Answer, due: float) -> None:
        """What it has grown by is told then."""
        answer.due = due
        self._growing[task_id] = answer
        self._changed[_ANSWER + task_id] = None

    def settle(self, task_id: str) -> None:
        """All that it has grown by is told, or is not to be."""
        answer = self._growing.pop(task_id, None)
        if answer is not None:
            answer.due = math.inf
            self._changed[_ANSWER + task_id] = None

    def grown(self, now: float) -> list[tuple[str, Answer]]:
        """Those of which more is to be told by now."""
        return [(task_id, answer) for task_id, answer in self._growing.items() if answer.due <= now]

    def clear(self) -> None:
        """None is told of any more, also not as its task goes on."""
        self._changed.update(dict.fromkeys((_DISOWNED, *(_ANSWER + task_id for task_id in self._answers))))
        self._disowned.update(self._answers)
        self._answers.clear()
        self._growing.clear()

    def dump(self) -> dict[str, bytes | None]:
        """What has changed since the last call, by name; None for what is no more."""
        changed, self._changed = self._changed, {}
        return {name: self._dump_part(name) for name in changed}

    def load(self, parts: Mapping[str, bytes]) -> Iterator[tuple[str, Answer]]:
        """Takes up what was dumped. For one that is new. Yields those that have begun."""
        if (disowned := parts.get(_DISOWNED)) is not None:
            self._disowned.update(msgspec.msgpack.decode(disowned, type=list[str]))
        for name in (name for name in parts if name.startswith(_ANSWER)):
            task_id = name.removeprefix(_ANSWER)
            answer = self._answers[task_id] = msgspec.msgpack.decode(parts[name], type=Answer)
            if answer.due < math.inf:
                # The clock that it was for has ended with its engine.
                self.hold(task_id, answer, 0.0)
            if answer.id:
                yield task_id, answer

    def _dump_part(self, name: str) -> bytes | None:
        if name == _DISOWNED:
            return msgspec.msgpack.encode(sorted(self._disowned))
        answer = self._answers.get(name.removeprefix(_ANSWER))
        return None if answer is None else msgspec.msgpack.encode(answer)
