"""Where the engine's lives follow one another: each is begun, and stopped in good order or killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio

from actors.channels import Channels
from actors.event import ChannelKey
from tests.simulation.auditor import Auditor
from tests.simulation.disk import Disk, Mount
from tests.simulation.ledger import Violation
from tests.simulation.life import Life
from tests.simulation.schedule import Shape
from tests.simulation.witness import Witness

PATIENCE = 60
"""Seconds, of the simulated clock, in which the engine must do what it is asked once nothing disturbs it."""
_SLOW = 0.4
"""A disk that slow may take longer than an engine that stops gives it."""


class Host:
    """At most one engine at a time, over the one disk."""

    def __init__(
        self,
        disk: Disk,
        shape: Shape,
        keys: Sequence[ChannelKey],
        witness: Witness,
        auditor: Auditor,
        nursery: trio.Nursery,
        *,
        cut: Callable[[], None],
        give_up: Callable[[], None],
        fail: Callable[[Violation], None],
    ) -> None:
        """`cut`: ends all connections. `give_up`: who publishes does not wait for this engine any more. `fail` is told
        of an engine that ends by itself."""
        self.life: Life | None = None
        self._disk = disk
        self._shape = shape
        self._by_name = {key.topic: key for key in keys}
        self._witness = witness
        self._ledger = witness.ledger
        self._auditor = auditor
        self._nursery = nursery
        self._cut = cut
        self._give_up = give_up
        self._fail = fail
        self._last_epochs: dict[str, str] = {}
        self._running = trio.Event()

    async def channels(self) -> Channels:
        """Those of the engine that runs, once one does."""
        await trio.lowlevel.checkpoint()
        while self.life is None:
            await self._running.wait()
        return self.life.channels

    def require_life(self) -> Life:
        assert self.life is not None
        return self.life

    async def begin(self) -> None:
        """Raises Violation where the engine does not start."""
        for topic, epoch in self._last_epochs.items():
            if self._disk.epoch(self._by_name[topic]) != epoch:
                self._ledger.end((topic, epoch))
        life = Life(Mount(self._disk), self._shape, self._ledger.kept)
        for key in self._disk.kept_topics():
            self._ledger.raise_floor((key.topic, self._disk.epoch(key) or ""), self._disk.floor(key))
        self._nursery.start_soon(self._see_through, life)
        with trio.move_on_after(PATIENCE):
            await life.ready.wait()
        if not life.ready.is_set():
            raise Violation("the engine runs", "it does not start")
        self.life = life
        self._witness.channels = life.channels
        self._auditor.begin(life.channels)
        life.audit(self._auditor.run)
        self._running.set()

    async def stop(self) -> None:
        """In good order. Raises Violation where it does not stop, or leaves out what it could have kept."""
        life = self.require_life()
        excused = self._disk.failing or self._disk.crashes > 0 or self._disk.slowness >= _SLOW
        excused = excused or not life.is_keeping
        self._leave()
        life.stop()
        await self._see_end(life)
        if self._ledger.owed and not excused:
            raise Violation("stopped, it keeps what waits", str(list(self._ledger.owed)))
        self._ledger.forgive()

    async def kill(self, *, kept: bool) -> None:
        """`kept`: as of `Mount.kill`. Raises Violation where it does not end."""
        life = self.require_life()
        self._leave()
        life.mount.kill(kept=kept)
        self._cut()
        life.scope.cancel()
        self._give_up()
        await self._see_end(life)
        self._ledger.forgive()

    async def _see_through(self, life: Life) -> None:
        try:
            await life.run()
        except Exception as error:  # noqa: BLE001  whatever ends the engine by itself is the finding
            self._fail(Violation("the engine runs", repr(error)))
        if self.life is life:
            self._fail(Violation("the engine runs", "it has ended by itself"))

    async def _see_end(self, life: Life) -> None:
        with trio.move_on_after(PATIENCE):
            await life.ended.wait()
        if not life.ended.is_set():
            raise Violation("the engine stops", "it does not")
        self._give_up()
        self._last_epochs = {topic: life.channels.log(key).epoch for topic, key in self._by_name.items()}

    def _leave(self) -> None:
        """From now on the engine that ran is not asked any more."""
        self.life = None
        self._witness.channels = None
        self._running = trio.Event()
