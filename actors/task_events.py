"""How a task's topic comes to its end."""

from __future__ import annotations

from actors.log import Log

TASK_ENDS = frozenset({"task.completed", "task.failed", "task.cancelled"})
"""One of these is the last event of a task."""


def is_over(log: Log) -> bool:
    """Whether this is a task's and has its last event."""
    return log.key.channel == "task" and log.last_type in TASK_ENDS
