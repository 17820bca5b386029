"""A dynamic supervisor for tests."""

from __future__ import annotations

import trio

from actors.childspec import Backoff, Intensity
from actors.dynamic_supervisor import DynamicSupervisor
from tests.actors.scripted import Trace


def dynamic(trace: Trace, *, max_children: int = 10, intensity: Intensity | None = None) -> DynamicSupervisor:
    return DynamicSupervisor(
        "d",
        reporter=trace,
        max_children=max_children,
        intensity=intensity or Intensity(2, 100.0),
        backoff=Backoff(2.0, 2.0, 8.0),
    )


async def running(nursery: trio.Nursery, supervisor: DynamicSupervisor) -> DynamicSupervisor:
    """The same, up; it is stopped with the nursery."""
    await nursery.start(supervisor.run)
    return supervisor
