"""The port through which directories keep what is true of their things beside all events."""

from __future__ import annotations

from typing import Protocol

import trio

from actors.event import ChannelKey
from actors.journal import Journal
from actors.journal_entries import Kept
from actors.store import Opened, Record


class Keeper(Protocol):
    """Keeps records in the order in which they are given, together with the events that are emitted between them."""

    def check(self) -> None:
        """Raises CallboardError UNAVAILABLE while nothing can be kept."""
        ...

    def note(self, *records: Record, opened: tuple[Opened, ...] = (), dropped: tuple[ChannelKey, ...] = ()) -> None:
        """Will be kept, as one, as soon as the store takes it: for what a client is answered for in another way, or
        not at all. Never blocks."""
        ...

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        """Returns once they are kept, and all that was noted before. A checkpoint.

        Raises CallboardError UNAVAILABLE where they are not; cancelled meanwhile, they may be."""
        ...


class JournalKeeper:
    """A Keeper before a store."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def check(self) -> None:
        self._journal.check()

    def note(self, *records: Record, opened: tuple[Opened, ...] = (), dropped: tuple[ChannelKey, ...] = ()) -> None:
        if records or opened or dropped:
            self._journal.put_nowait(Kept(records=records, opened=opened, dropped=dropped))

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        await self._journal.keep(*records, opened=opened)


class ForgetfulKeeper:
    """A Keeper of an engine without a store: nothing outlives the process."""

    def check(self) -> None:
        pass

    def note(self, *records: Record, opened: tuple[Opened, ...] = (), dropped: tuple[ChannelKey, ...] = ()) -> None:
        pass

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        await trio.lowlevel.checkpoint()
