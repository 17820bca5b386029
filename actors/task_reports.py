"""What the actors tell the engine of their own troubles: it logs them, counts them and raises alerts."""

from __future__ import annotations

from typing import Protocol, TypeAlias

import msgspec


class AgentCrashed(msgspec.Struct, frozen=True):
    """An agent raised something that is not for its client, or failed beside being cancelled."""

    task_id: str
    agent: str
    error: BaseException


class AgentOverstays(msgspec.Struct, frozen=True):
    """A cancelled agent has not stopped within its deadline. It is still waited for."""

    task_id: str
    agent: str
    seconds: float


TaskReport: TypeAlias = AgentCrashed | AgentOverstays


class TaskReporter(Protocol):
    def report_task(self, report: TaskReport) -> None:
        """Takes note. Never blocks, never raises."""
        ...
