"""What a task waits for, as the wallet dialect shows it. Pure."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from actors.event import Event


class Question(msgspec.Struct, frozen=True):
    """A step that waits for a confirmation; `reason` is what is asked."""

    step_id: str
    reason: str = ""


class WaitingToolCall(msgspec.Struct, frozen=True):
    """A tool call that one of the wallet's clients is to carry out."""

    call_id: str
    name: str = ""
    arguments: Any = None


_Asked: TypeAlias = Question | WaitingToolCall


class WalletQuestions:
    """Those of one task that are open, in the order asked."""

    def __init__(self) -> None:
        self._open: dict[tuple[type[_Asked], str], _Asked] = {}

    def __len__(self) -> int:
        return len(self._open)

    @property
    def steps(self) -> tuple[Question, ...]:
        return tuple(each for each in self._open.values() if isinstance(each, Question))

    @property
    def tool_calls(self) -> tuple[WaitingToolCall, ...]:
        return tuple(each for each in self._open.values() if isinstance(each, WaitingToolCall))

    @property
    def message(self) -> str:
        """What the newest one asks."""
        match next(reversed(self._open.values()), None):
            case Question(reason=reason):
                return reason
            case WaitingToolCall(name=name):
                return f"{name} is to be called on a device" if name else ""
            case None:
                return ""

    def ask(self, event: Event) -> bool:
        """False where its data is not as the engine's."""
        asked = _read(event)
        if asked is not None:
            self._open[_key(asked)] = asked
        return asked is not None

    def settle(self, event: Event) -> bool:
        """False where no such question is open."""
        settled = _read(event)
        return settled is not None and self._open.pop(_key(settled), None) is not None

    def clear(self) -> None:
        self._open.clear()

    def redact(self) -> None:
        """Forgets the texts: what is open stays so."""
        for key, asked in self._open.items():
            self._open[key] = Question(asked.step_id) if isinstance(asked, Question) else WaitingToolCall(asked.call_id)


def _key(asked: _Asked) -> tuple[type[_Asked], str]:
    return (Question, asked.step_id) if isinstance(asked, Question) else (WaitingToolCall, asked.call_id)


def _read(event: Event) -> _Asked | None:
    kind: type[_Asked] = Question if event.event_type.startswith("step.") else WaitingToolCall
    try:
        return msgspec.json.decode(event.body, type=kind)
    except msgspec.DecodeError:
        return None
