"""Spawners for tests: one that restarts, and one that can lose everything."""

from __future__ import annotations

import trio

from actors.childspec import ChildSpec


class RestartingSpawner:
    """Starts a child again after it crashed with `CrashOnce`, when the test opens the gate; counts those running."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.gate = trio.Event()
        self.running = 0
        self.started = 0
        self._nursery = nursery

    def start_child_nowait(self, spec: ChildSpec) -> None:
        self._nursery.start_soon(self._run, spec)

    async def _run(self, spec: ChildSpec) -> None:
        while True:
            self.started += 1
            self.running += 1
            try:
                await spec.run(trio.TASK_STATUS_IGNORED)
                return
            except CrashOnce:
                pass
            finally:
                self.running -= 1
            await self.gate.wait()


class MortalSpawner:
    """A supervisor that can lose all of its children, and then takes new ones."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.started: list[str] = []
        self._nursery = nursery
        self._scopes: list[trio.CancelScope] = []

    def start_child_nowait(self, spec: ChildSpec) -> None:
        self.started.append(spec.name)
        self._scopes.append(scope := trio.CancelScope())
        self._nursery.start_soon(self._run, spec, scope)

    async def _run(self, spec: ChildSpec, scope: trio.CancelScope) -> None:
        with scope:
            await spec.run(trio.TASK_STATUS_IGNORED)

    def lose_all(self) -> None:
        for scope in self._scopes:
            scope.cancel()
        self._scopes.clear()
        self.started.clear()


class NoSpawner:
    """A supervisor whose children never get a turn."""

    def start_child_nowait(self, spec: object) -> None:
        pass


class CrashOnce(Exception):
    """What a test has an actor fail with."""
