"""A disk that takes its time, fails, is killed in the midst of a commit, and is put back to an older copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from random import Random

import trio

from actors.event import ChannelKey, Event
from actors.store import StoredTopic, StoreError, Write
from tests.simulation.ledger import Violation
from tests.support.memory_store import MemoryStore

_READ_SECONDS = 0.001


class Disk(MemoryStore):
    """What outlives an engine, in one place with all that ever befell it."""

    def __init__(
        self,
        chance: Random,
        new_epoch: Callable[[], str],
        failed: Callable[[Violation], None],
    ) -> None:
        """`failed` is told of a write that does not fit what is there."""
        super().__init__()
        self.written: Callable[[Event], object] = lambda event: None
        """Told of each event that is kept."""
        self.slowness = 0.0
        """Seconds that a commit takes at most."""
        self.crashes = 0
        """So many commits from now on crash whoever asks for them."""
        self._chance = chance
        self._new_epoch = new_epoch
        self._failed = failed
        self._copy: MemoryStore = MemoryStore()

    @property
    def failing(self) -> bool:
        return self._failure is not None

    def delay(self) -> float:
        return self._chance.random() * self.slowness

    def check(self) -> None:
        """Raises StoreError while the disk fails."""
        if self._failure is not None:
            raise StoreError(self._failure)

    def crash_now(self) -> None:
        """Raises what the disk has for the next who commits."""
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("a crash of whoever commits")

    def apply(self, write: Write) -> None:
        try:
            self._apply(write)
        except AssertionError as error:
            self._failed(Violation("one event a place", str(error)))
            raise
        for event in write.events:
            self.written(event)

    def back_up(self) -> None:
        self._copy = copy.deepcopy(self._contents())

    def restore(self) -> None:
        """From now on the disk holds what the last copy does, with epochs that are new: something may be lost."""
        for name, value in vars(copy.deepcopy(self._copy)).items():
            if name in _CONTENTS:
                setattr(self, name, value)
        self._renew()

    def _renew(self) -> None:
        self._epochs = {key: self._new_epoch() for key in self._epochs}
        for key, epoch in self._epochs.items():
            events = [_of_epoch(event, epoch) for event in self.events(key)]
            self._events[key] = events
            for event in events:
                self.written(event)

    def epoch(self, key: ChannelKey) -> str | None:
        return self._epochs.get(key)

    def floor(self, key: ChannelKey) -> int:
        return self._floors.get(key, 0)

    def tail(self, key: ChannelKey) -> int:
        return self._tail(key)

    def kept_topics(self) -> tuple[ChannelKey, ...]:
        return tuple(self._epochs)

    def _contents(self) -> MemoryStore:
        contents = MemoryStore()
        for name in _CONTENTS:
            setattr(contents, name, getattr(self, name))
        return contents


class Mount:
    """The disk as one life of the engine has it: an actors.store.Store. Dead, it takes and gives nothing any more."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._dead = False
        self._under_way: Write | None = None

    def kill(self, *, kept: bool) -> None:
        """The engine is gone. `kept`: what is being committed has come to the disk."""
        self._dead = True
        if kept and self._under_way is not None and not self._disk.failing:
            self._disk.apply(self._under_way)
        self._under_way = None

    async def commit(self, write: Write) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self._under_way = write
        await self._take_time()
        self._under_way = None
        self._check()
        self._disk.crash_now()
        self._disk.apply(write)
        # Between the commit and whoever waits for it.
        await self._take_time()

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        await trio.sleep(_READ_SECONDS + self._disk.delay() / 4)
        self._check()
        return await self._disk.read(key, after, max_events=max_events, max_bytes=max_bytes)

    async def topics(self) -> list[StoredTopic]:
        return await self._disk.topics()

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        return await self._disk.records(kind)

    async def record(self, kind: str, name: str) -> bytes | None:
        return await self._disk.record(kind, name)

    def _check(self) -> None:
        if self._dead:
            raise StoreError("the engine is gone")
        self._disk.check()

    async def _take_time(self) -> None:
        # As a call in a thread, a commit that has begun is finished.
        with trio.CancelScope(shield=True):
            await trio.sleep(self._disk.delay())


_CONTENTS = ("_epochs", "_events", "_floors", "_records")


def _of_epoch(event: Event, epoch: str) -> Event:
    return Event(
        event.key,
        epoch,
        event.offset,
        event.first,
        event.event_type,
        event.body,
        event.merge,
        event.merge_key,
        event.timestamp,
    )
