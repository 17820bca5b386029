"""The actor that leaves of tasks which ended a while ago their snapshot and their discrete events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
import trio

from actors.channels import Channels
from actors.errors import CallboardError
from actors.event import ChannelKey, now_ms
from actors.journal import Journal
from actors.journal_entries import Kept
from actors.log import Log
from actors.mailbox import Reply
from actors.pace import Pace
from actors.snapshots import Snapshots
from actors.store import StoreError
from actors.task_events import is_over

_ROUNDS = 10
"""Rounds in the time after which a task is compacted, as long as they are not further apart than this."""
_MOST_SECONDS = 60.0
_LEAST_SECONDS = 1.0

TakeIn: TypeAlias = Callable[[Log], Awaitable[None]]
"""Returns once all that is derived from a topic has taken it in. Raises CallboardError where that cannot be now."""


async def take_in_nothing(log: Log) -> None:
    """Nothing is derived from any topic."""
    await trio.lowlevel.checkpoint()


class CompactorOptions(msgspec.Struct, frozen=True):
    """`seconds`: how long after its last event a task is compacted."""

    seconds: float = 3600.0


class Compactor:
    """One task at a time, each in one commit. Positions in it stay valid: who comes back to one that lies before what
    is gone is told of the gaps. What the store refuses is tried again in the next round."""

    def __init__(
        self,
        channels: Channels,
        snapshots: Snapshots,
        journal: Journal,
        options: CompactorOptions | None = None,
        *,
        take_in: TakeIn = take_in_nothing,
    ) -> None:
        self._channels = channels
        self._snapshots = snapshots
        self._journal = journal
        self._take_in = take_in
        self._seconds = (options or CompactorOptions()).seconds
        self._ends: dict[ChannelKey, int] = {}
        """When the tasks ended that are still to be compacted."""

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        while True:
            await trio.sleep(max(_LEAST_SECONDS, min(self._seconds / _ROUNDS, _MOST_SECONDS)))
            await self.round(now_ms())

    async def round(self, now: int) -> None:
        """Compacts what is due at that time, in Unix milliseconds."""
        await trio.lowlevel.checkpoint()
        pace = Pace()
        known, self._ends = self._ends, {}
        for log in self._channels.logs():
            if is_over(log) and not log.holes and not log.is_settled:
                try:
                    ended = self._ends[log.key] = known.get(log.key) or await _end_of(log)
                    if ended + self._seconds * 1000 <= now:
                        async with self._snapshots.folding:
                            await self._compact(log)
                except (StoreError, CallboardError):
                    return
            if pace.is_due():
                await pace.step_aside()

    async def _compact(self, log: Log) -> None:
        try:
            await self._take_in(log)
        except CallboardError:
            # The others need not wait for it.
            return
        found = await self._snapshots.compact(log)
        # No checkpoint lies between this and the journal.
        if self._channels.peek(log.key) is not log:
            return
        if found is not None:
            record, compaction = found
            reply: Reply[None] = Reply()
            self._journal.put_nowait(Kept(records=(record,), compactions=(compaction,), reply=reply))
            await reply.wait()
            log.compact(compaction.offset)
        log.is_settled = True


async def _end_of(log: Log) -> int:
    """When the last event was, in Unix milliseconds; long ago where that is no longer kept."""
    page = await log.page(log.tail - 1, max_events=1, max_bytes=1)
    return page[0].timestamp if page else 1
