"""The port behind which actors are started: a dynamic supervisor, seen by those who spawn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

from actors.childspec import ChildSpec
from actors.errors import CallboardError, ErrorCode


class CannotSpawn(Exception):
    """A supervisor takes no child now: it is full, or does not run."""


SpawnTask: TypeAlias = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts a task that nobody waits for. Raises CannotSpawn."""


class Spawner(Protocol):
    def start_child_nowait(self, spec: ChildSpec) -> object:
        """Starts a child without waiting for its acknowledgement. Raises CannotSpawn."""
        ...


def spawn(supervisor: Spawner, spec: ChildSpec) -> None:
    """Starts an actor on behalf of a client. Raises CallboardError BUSY where the supervisor takes none."""
    try:
        supervisor.start_child_nowait(spec)
    except CannotSpawn as error:
        raise CallboardError(ErrorCode.BUSY, f"the engine starts nothing now: {error}", retry_after=1.0) from error
