"""What comes next from a place in a log: what was missed is told first, then events, in memory or in a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import trio

from actors.event import Event
from actors.log import Log
from actors.resumption import Gap
from actors.store import StoreError

_STORE_PAUSE = 0.5
"""Seconds until a page that could not be read is asked for again."""


class Cursor(Protocol):
    """A reader's place: behind the event at `offset`, and still to be told of `gap`, if there is one."""

    log: Log
    offset: int
    gap: Gap | None


def read_on(cursor: Cursor, *, max_events: int, max_bytes: int) -> Sequence[Event] | None:
    """A gap, or the next events that are in memory, within both bounds; the cursor then stands behind them. None where
    the next event is not in memory: `read_page` has it."""
    log = cursor.log
    gap, cursor.gap = cursor.gap, None
    if gap is None and (gap := log.missed(cursor.offset)) is not None:
        cursor.offset = gap.last
    if gap is not None:
        return [log.gap_event(gap, cursor.offset)]
    if log.is_cold(cursor.offset):
        return None
    return advance(cursor, log.read(cursor.offset, max_events=max_events, max_bytes=max_bytes))


async def read_page(cursor: Cursor, *, max_events: int, max_bytes: int) -> list[Event]:
    """The next events, from behind the memory; `advance` then moves the cursor. Nothing where the log cannot be read
    now, after half a second, or where the cursor was moved meanwhile."""
    offset = cursor.offset
    try:
        page = await cursor.log.page(offset, max_events=max_events, max_bytes=max_bytes)
    except StoreError:
        # It will be back, and the reader with it: nothing is lost by waiting.
        await trio.sleep(_STORE_PAUSE)
        return []
    return page if cursor.offset == offset else []


def advance(cursor: Cursor, page: Sequence[Event]) -> Sequence[Event]:
    """Puts the cursor behind the page that it was read for. The page, and in it, as events, what is missing."""
    events = cursor.log.with_gaps(cursor.offset, page)
    if events:
        cursor.offset = events[-1].offset
    return events
