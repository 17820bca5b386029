"""What came of a tool call that a client was asked to carry out, in the form that every dialect takes it. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from actors.questions import ToolFailed, ToolReturned


class ToolAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Either the `result`, any JSON, or an `error`, as a sentence."""

    result: Any = UNSET
    error: str | UnsetType = UNSET

    def __post_init__(self) -> None:
        if (self.result is UNSET) is (self.error is UNSET):
            raise ValueError("Object needs either `result` or `error`")

    @property
    def answer(self) -> ToolReturned | ToolFailed:
        return ToolReturned(self.result) if self.error is UNSET else ToolFailed(self.error)
