"""The supervisor of a fixed, ordered list of children."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.child import ChildHandle
from actors.childspec import Backoff, ChildSpec, Intensity, Restart, Strategy
from actors.report import Reporter
from actors.restarts import group_of
from actors.supervision import GRACE, Supervision


class Supervisor(Supervision):
    """Starts its children in order and stops them in reverse, one by one.

    The rules are OTP's. A restart of a group counts once. A transient child that had ended normally is started again
    with its group; a temporary one is stopped with it and stays away. With one_for_one a child that waits for its
    restart delays no sibling; with the other strategies one restart is finished before the next failure is looked at.

    ValueError when two children have the same name.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec],
        *,
        reporter: Reporter,
        strategy: Strategy = Strategy.ONE_FOR_ONE,
        intensity: Intensity = Intensity(),  # noqa: B008  # frozen
        backoff: Backoff = Backoff(),  # noqa: B008  # frozen
    ) -> None:
        super().__init__(name, intensity=intensity, backoff=backoff, reporter=reporter)
        if len({spec.name for spec in children}) != len(children):
            raise ValueError(f"two children of {name} have the same name")
        self._specs = tuple(children)
        self._strategy = strategy
        self._children: list[ChildHandle] = []

    @property
    def stop_deadline(self) -> float:
        """Seconds within which an ordered stop is over, but for children that outlive their deadline."""
        return sum(spec.stop_deadline for spec in self._specs) + GRACE

    @property
    def start_deadline(self) -> float:
        """Seconds within which the children are up, or the start has failed and those that were up are stopped."""
        return sum(spec.start_deadline for spec in self._specs) + self.stop_deadline

    @property
    def count(self) -> int:
        return sum(child.running for child in self._children)

    def as_child(self, restart: Restart = Restart.PERMANENT) -> ChildSpec:
        """This supervisor as a child of another, with deadlines that leave its children theirs."""
        return ChildSpec(self.name, self.run, restart, self.start_deadline, self.stop_deadline)

    def _begin(self) -> None:
        super()._begin()
        self._children = [ChildHandle(spec) for spec in self._specs]

    async def _start_children(self) -> None:
        for child in self._children:
            await self._start(child)

    async def _stop_children(self) -> None:
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + self.stop_deadline):
                await self._stop_in_reverse(self._children)
        finally:
            # Whatever cut the ordered stop short, no shielded run may be left without its cancellation.
            for child in self._children:
                if child.run is not None:
                    child.run.ask_stop()

    async def _stop_in_reverse(self, group: Sequence[ChildHandle]) -> None:
        for child in reversed(group):
            if child.running and child.run is not None:
                await self._stop(child.run)

    async def _recover(self, restarts: trio.Nursery, child: ChildHandle, delay: float) -> None:
        if self._strategy is Strategy.ONE_FOR_ONE:
            restarts.start_soon(self._restart_group, child, delay)
        else:
            await self._restart_group(child, delay)

    async def _restart_group(self, cause: ChildHandle, delay: float) -> None:
        """Stops, waits and starts. Ends early where a start fails: that child's group holds all that are not yet up."""
        indices = group_of(self._strategy, self._children.index(cause), len(self._children))
        group = [self._children[index] for index in indices]
        await self._stop_in_reverse(group)
        for child in group:
            self._failures.pop(child, None)  # this restart is the answer to those that failed meanwhile, too
        await trio.sleep(delay)
        for child in group:
            if child.spec.restart is not Restart.TEMPORARY and not await self._restart(child, cause, delay):
                return

    def _forget(self, child: ChildHandle) -> None:
        """Its place is kept: a transient child that ended normally comes back with its group."""
