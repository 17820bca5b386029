"""Pages that are asked for at one time, read together: many readers cost a thread's turn, and not one each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec
import trio

from actors.event import ChannelKey, Event
from actors.store import StoreError

MOST = 64
"""Read in one turn. Each page is bounded, and so is what they take together."""


class PageRequest(msgspec.Struct, frozen=True, gc=False):
    """The kept events of a topic after an offset, up to both bounds."""

    key: ChannelKey
    after: int
    max_events: int
    max_bytes: int


Page: TypeAlias = "list[Event] | StoreError"
"""The events, or why they cannot be read."""


class _Turn:
    """Requests that are read together; what is asked for twice is read once."""

    __slots__ = ("done", "pages", "requests")

    def __init__(self) -> None:
        self.requests: dict[PageRequest, None] = {}
        self.pages: dict[PageRequest, Page] = {}
        self.done = trio.Event()


class PageReads:
    """Who finds nobody reading reads at once. Those who come meanwhile are read for next, all in one turn."""

    def __init__(self, read_all: Callable[[Sequence[PageRequest]], list[Page]], reading: trio.CapacityLimiter) -> None:
        """`read_all` blocks and runs in a thread; `reading` says whose turn it is."""
        self._read_all = read_all
        self._reading = reading
        self._thread = trio.CapacityLimiter(1)
        self._open: _Turn | None = None
        """The turn that others may still join."""

    async def read(self, request: PageRequest) -> list[Event]:
        """A checkpoint. Cancelled, it leaves those who share its turn to read for themselves. Raises StoreError."""
        while True:
            turn, leads = self._join(request)
            if leads:
                await self._run(turn)
            else:
                await turn.done.wait()
            page = turn.pages.get(request)
            if isinstance(page, StoreError):
                # One of its own for each: who raises it adds to its traceback.
                raise StoreError(str(page)) from page
            if page is not None:
                return list(page)

    def _join(self, request: PageRequest) -> tuple[_Turn, bool]:
        """The turn in which it will be read, and whether it is the first one there."""
        turn = self._open
        leads = turn is None or len(turn.requests) >= MOST
        if turn is None or leads:
            turn = self._open = _Turn()
        turn.requests[request] = None
        return turn, leads

    async def _run(self, turn: _Turn) -> None:
        try:
            async with self._reading:
                self._close(turn)
                requests = tuple(turn.requests)
                pages = await trio.to_thread.run_sync(self._read_all, requests, limiter=self._thread)
                turn.pages.update(zip(requests, pages, strict=True))
        finally:
            self._close(turn)
            turn.done.set()

    def _close(self, turn: _Turn) -> None:
        if self._open is turn:
            self._open = None
