"""Ends the waits that nobody would miss, once the server is stopping."""

from __future__ import annotations

from typing import Protocol


class Wait(Protocol):
    """A wait for a request, such as a `trio.CancelScope` around it."""

    def cancel(self) -> None: ...


class Drain:
    """Connections add the scope in which they wait for a request; `begin` ends those waits, now and from then on."""

    def __init__(self) -> None:
        self._begun = False
        self._scopes: set[Wait] = set()

    @property
    def begun(self) -> bool:
        return self._begun

    def begin(self) -> None:
        """Idempotent. What is under way goes on."""
        self._begun = True
        for scope in tuple(self._scopes):
            scope.cancel()

    def add(self, scope: Wait) -> None:
        """From now on this scope holds a wait that may end."""
        self._scopes.add(scope)
        if self._begun:
            scope.cancel()

    def remove(self, scope: Wait) -> None:
        """From now on it does not. Idempotent."""
        self._scopes.discard(scope)
