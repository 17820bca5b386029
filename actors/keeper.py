"""The port through which directories keep what is true of their things beside all events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
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

    def check_backlog(self) -> None:
        """Raises CallboardError UNAVAILABLE where so much waits to be kept that nothing more is noted for a client that
        waits for nothing, and so could go on for ever."""
        ...

    def note(self, *records: Record, opened: tuple[Opened, ...] = (), dropped: tuple[ChannelKey, ...] = ()) -> None:
        """Will be kept, as one, as soon as the store takes it: for what a client is answered for in another way, or
        not at all. Never blocks."""
        ...

    def note_placed(self, make: Callable[[], tuple[Record, ...]]) -> None:
        """As `note`, of records that hold places of what was added before: made once that has its places."""
        ...

    def together(self) -> AbstractContextManager[None]:
        """What is noted within it is kept as one. It ends in the step in which it begins; a topic that is dropped
        within it does not begin anew within it."""
        ...

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        """Returns once they are kept, and all that was noted before. A checkpoint.

        Raises CallboardError UNAVAILABLE where they are not; cancelled meanwhile, they may be."""
        ...


class JournalKeeper:
    """A Keeper before a store."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._noted: list[Kept] | None = None
        """What is to be kept as one; None where each note is by itself."""

    def check(self) -> None:
        self._journal.check()

    def check_backlog(self) -> None:
        self._journal.check_backlog()

    def note(self, *records: Record, opened: tuple[Opened, ...] = (), dropped: tuple[ChannelKey, ...] = ()) -> None:
        if not (records or opened or dropped):
            return
        noted = Kept(records=records, opened=opened, dropped=dropped)
        if self._noted is None:
            self._journal.put_nowait(noted)
        else:
            self._noted.append(noted)

    def note_placed(self, make: Callable[[], tuple[Record, ...]]) -> None:
        self._journal.put_nowait(Kept(placed=make))

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._noted is not None:
            yield
            return
        noted: list[Kept] = []
        self._noted = noted
        try:
            yield
        finally:
            self._noted = None
            self.note(
                *chain.from_iterable(one.records for one in noted),
                opened=tuple(chain.from_iterable(one.opened for one in noted)),
                dropped=tuple(chain.from_iterable(one.dropped for one in noted)),
            )

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        await self._journal.keep(*records, opened=opened)


class ForgetfulKeeper:
    """A Keeper of an engine without a store: nothing outlives the process."""

    def check(self) -> None:
        pass

    def check_backlog(self) -> None:
        pass

    def note(self, *records: Record, opened: tuple[Opened, ...] = (), dropped: tuple[ChannelKey, ...] = ()) -> None:
        pass

    def note_placed(self, make: Callable[[], tuple[Record, ...]]) -> None:
        pass

    def together(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        await trio.lowlevel.checkpoint()
