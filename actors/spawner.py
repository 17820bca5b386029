"""The port behind which actors are started: a dynamic supervisor, seen by those who spawn."""

from __future__ import annotations

from typing import Protocol

from actors.childspec import ChildSpec


class Spawner(Protocol):
    def start_child_nowait(self, spec: ChildSpec) -> object:
        """Starts a child without waiting for its acknowledgement. Raises when the supervisor is full or has stopped."""
        ...
