"""The kinds of questions that a task asks its user's devices."""

from __future__ import annotations

from enum import Enum


class Kind(Enum):
    """What is asked for. Each has its names to itself."""

    STEP = "step"
    TOOL_CALL = "client tool call"

    @property
    def asks(self) -> str:
        """The type of the event that asks."""
        return "step.confirm" if self is Kind.STEP else "agent.client_tool_call"

    @property
    def tells(self) -> str:
        """The type of the event that tells what became of it."""
        return "step.confirmed" if self is Kind.STEP else "agent.client_tool_result"

    @property
    def names(self) -> str:
        """The member of both by which a question is known."""
        return "step_id" if self is Kind.STEP else "call_id"
