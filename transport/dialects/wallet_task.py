"""A task in the form of the wallet dialect. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal, TypeAlias

import msgspec

from transport.dialects.wallet_questions import Question, WaitingToolCall

State: TypeAlias = Literal["submitted", "working", "input-required", "completed", "canceled", "failed", "unknown"]


class TextPart(msgspec.Struct, frozen=True, tag_field="type", tag="text"):
    text: str


class HistoryEntry(msgspec.Struct, frozen=True):
    """One whole message of a task. `role` is `user` or `agent`."""

    role: str
    parts: tuple[TextPart, ...]


class Artifact(msgspec.Struct, frozen=True):
    name: str
    parts: tuple[TextPart, ...]
    media_type: str = ""


class Status(msgspec.Struct, frozen=True):
    """`message`: the result, what went wrong, or what is asked. `timestamp` is ISO 8601, of the last change."""

    state: State
    message: str
    timestamp: str


class WalletTask(msgspec.Struct, frozen=True, rename={"session_id": "sessionId"}, omit_defaults=True):
    """A whole task. `sessionId` is empty for one outside of any conversation; `questions` and `tool_calls` are left out
    while none is open."""

    id: str
    session_id: str
    status: Status
    history: tuple[HistoryEntry, ...]
    artifacts: tuple[Artifact, ...]
    questions: tuple[Question, ...] = ()
    tool_calls: tuple[WaitingToolCall, ...] = ()


def iso(milliseconds: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
