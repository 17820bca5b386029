"""The actor that keeps the store within its bounds: it says what is no longer kept, a little at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import msgspec
import trio

from actors.channels import Channels
from actors.event import ChannelKey, now_ms
from actors.journal import Journal
from actors.journal_entries import Kept
from actors.mailbox import Reply
from actors.retention import Retention
from actors.store import Floor, Overfull, Record, RetainedStore, StoreError

FoldBefore: TypeAlias = Callable[[ChannelKey, int], Awaitable[Record | None]]
"""What is to be kept in place of a topic's events up to an offset, if anything."""


class RetainerOptions(msgspec.Struct, frozen=True):
    """`round_seconds`: the wait between two rounds over all topics. `rest`: how long it rests after each piece of one,
    in times of what the piece took."""

    round_seconds: float = 5.0
    rest: float = 9.0


async def keep_nothing(key: ChannelKey, offset: int) -> Record | None:
    """What is beyond the bounds goes without a trace."""
    await trio.lowlevel.checkpoint()
    return None


class Retainer:
    """Goes round all topics of the store, and raises the floors of those that hold more than their channel's bounds.

    A floor is raised in memory first, so that no reader takes what is gone for what never was; then in the store, by
    the journal. The store deletes what is beneath at its own pace.
    """

    def __init__(
        self,
        store: RetainedStore,
        journal: Journal,
        channels: Channels,
        bounds: Mapping[str, Retention],
        *,
        fold_before: FoldBefore = keep_nothing,
        folding: trio.Lock | None = None,
        options: RetainerOptions | None = None,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        """`folding`: held from `fold_before` until what it gives is kept. `clock`: Unix milliseconds."""
        self._store = store
        self._journal = journal
        self._channels = channels
        self._bounds = bounds
        self._fold_before = fold_before
        self._folding = folding or trio.Lock()
        self._options = options or RetainerOptions()
        self._clock = clock

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. While the store cannot be read it waits for the next round."""
        task_status.started()
        while True:
            await trio.sleep(self._options.round_seconds)
            try:
                await self.round()
            except StoreError:
                # The journal says so where it matters: a commit tells the same.
                continue

    async def round(self) -> None:
        """Looks at every topic once. Raises StoreError."""
        place: int | None = 0
        while place is not None:
            began = trio.current_time()
            excess = await self._store.excess(self._bounds, self._clock(), place)
            place = excess.next
            if excess.topics:
                async with self._folding:
                    await self._raise(excess.topics)
            await trio.sleep(self._options.rest * (trio.current_time() - began))

    async def _raise(self, topics: tuple[Overfull, ...]) -> None:
        folded = [await self._fold(topic) for topic in topics]
        await self._journal.wait_for_room()
        # No checkpoint from here on: a topic that is forgotten later is dropped behind this in the journal.
        floors: list[Floor] = []
        kept: list[Record] = []
        for topic, revision, record in folded:
            if self._raise_floor(topic, revision):
                floors.append(Floor(topic.key, topic.offset))
                kept += () if record is None else (record,)
        if floors:
            reply: Reply[None] = Reply()
            self._journal.put_nowait(Kept(records=tuple(kept), floors=tuple(floors), reply=reply))
            await reply.wait()

    async def _fold(self, topic: Overfull) -> tuple[Overfull, int | None, Record | None]:
        """With the revision of the log that was folded."""
        record = await self._fold_before(topic.key, topic.offset)
        return topic, self._revision(topic), record

    def _raise_floor(self, topic: Overfull, revision: int | None) -> bool:
        """In memory. False where the topic is gone, or has begun anew; what changed meanwhile, as by being taken back,
        has its turn in the next round."""
        log = self._channels.peek(topic.key)
        if log is None or log.epoch != topic.epoch or log.revision != revision:
            return False
        log.raise_floor(topic.offset)
        return True

    def _revision(self, topic: Overfull) -> int | None:
        log = self._channels.peek(topic.key)
        return None if log is None else log.revision
