"""Which event types are the engine's own."""

from __future__ import annotations

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
