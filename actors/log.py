"""The log of one topic: dense offsets from 1, an epoch, and a bounded retention."""

from __future__ import annotations

import secrets
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

import msgspec

from actors.event import ChannelKey, Draft, Event, Merge, now_ms
from actors.log_totals import LogTotals
from actors.position import Position
from actors.redaction import Redaction
from actors.resumption import Gap, Resumption, gap_event

EVENT_OVERHEAD = 200
"""Bytes charged for an event beside its body, so that a flood of empty events is bounded too."""
_LASTING = 64
"""Redactions of what is still being said: few, since who is taken back is stopped. The oldest goes."""
_DROPPED = Event(ChannelKey("", ""), "", 0, 0, "", b"", Merge.NEVER, "", 0)
"""Stands where an event was: its memory is given back at once, its place in the list later."""


class Retention(msgspec.Struct, frozen=True):
    """What a log keeps: the newest events within all three bounds."""

    events: int = 10_000
    bytes: int = 8 * 1024 * 1024
    seconds: float = 24 * 3600.0


class LogStatistics(msgspec.Struct, frozen=True):
    epoch: str
    first: int
    tail: int
    events: int
    bytes: int


class Pages(Protocol):
    """Where the events are that have left a log's memory."""

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """As `Log.read`. Raises actors.store.StoreError."""
        ...


class Log:
    """An append-only sequence of events. Without a clock of its own; one actor appends, anyone reads.

    With `pages` behind it, what leaves the memory is still kept, from `first` on, until the floor is raised. Without,
    what leaves the memory is gone.
    """

    __slots__ = (
        "_bytes",
        "_dropped",
        "_events",
        "_floor",
        "_head",
        "_masks",
        "_numbers",
        "_pages",
        "_redactions",
        "_retention",
        "_totals",
        "epoch",
        "holes",
        "is_settled",
        "key",
        "last_type",
        "revision",
        "tail",
    )

    def __init__(
        self,
        key: ChannelKey,
        retention: Retention,
        *,
        epoch: str | None = None,
        totals: LogTotals | None = None,
        pages: Pages | None = None,
    ) -> None:
        """`retention`: of what is in memory."""
        self.key = key
        # Every life of a log has an epoch of its own: a topic that was forgotten and comes back counts from 1 again.
        self.epoch = epoch or new_epoch()
        self.tail = 0
        self.last_type = ""
        """The type of the newest event, also where that is no longer retained."""
        self._retention = retention
        self._events: list[Event] = []
        self._numbers = array("q")
        """The number of each event among those of all logs. Beside the events: 8 bytes each, where an int takes 40."""
        self._dropped = 0
        """The number of the newest event that is no longer retained."""
        self._head = 0
        self._bytes = 0
        self._totals = totals or LogTotals()
        self._redactions: tuple[Redaction, ...] = ()
        self._pages = pages
        self._floor = 0
        self._masks: tuple[Redaction, ...] = ()
        self.holes = 0
        """The last offset that compaction has taken out: up to there only the discrete events are left."""
        self.is_settled = False
        """Nothing is left in it to be compacted, and nothing will come."""
        self.revision = 0
        """Changes whenever events that may have been read already do."""

    @property
    def first(self) -> int:
        """The oldest offset that can be read; `tail + 1` when none can."""
        return self._floor + 1

    def take_up(self, first: int, tail: int, last_type: str, holes: int = 0) -> None:
        """The pages hold these events already. For a log that is new, before any log has events of its own."""
        self._floor, self.tail, self.last_type, self.holes = first - 1, tail, last_type, holes
        self._totals.appended += tail
        self._totals.taken_up = self._dropped = self._totals.appended

    def compact(self, offset: int) -> None:
        """The pages have lost what was not discrete up to there: it is read from them alone from now on."""
        while self._head < len(self._events) and self._events[self._head].offset <= offset:
            self._drop_oldest()
        self.holes = offset

    def raise_floor(self, offset: int) -> None:
        """What is kept up to there may go. Called before it does: who reads a page meanwhile then knows of the gap."""
        while self._head < len(self._events) and self._events[self._head].offset <= offset:
            self._drop_oldest()
        self._floor = max(self._floor, min(offset, self.tail))

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.tail)

    @property
    def newest(self) -> int:
        """The number of the last event among those of all logs; 0 before there is one."""
        return self._numbers[-1] if self._numbers else self._dropped

    def append(self, draft: Draft) -> Event:
        """Gives the draft the next offset, and drops what the bounds on count and bytes no longer allow."""
        event = self.place(draft, self.tail + 1)
        self.add(event)
        return event

    def place(self, draft: Draft, offset: int) -> Event:
        """The draft as an event at that place, which is not in the log yet."""
        event = Event(
            self.key,
            self.epoch,
            offset,
            offset,
            draft.event_type,
            draft.body,
            draft.merge,
            draft.merge_key,
            draft.timestamp,
        )
        for redaction in self._redactions:
            event = redaction.apply(event)
        return event

    def add(self, event: Event) -> None:
        """Adds what `place` made for the offset behind the tail, and drops as `append` does."""
        self._events.append(event)
        self.tail = event.offset
        self.last_type = event.event_type
        size = len(event.body) + EVENT_OVERHEAD
        self._bytes += size
        totals = self._totals
        totals.bytes += size
        totals.appended += 1
        self._numbers.append(totals.appended)
        retention = self._retention
        while len(self._events) - self._head > retention.events or self._bytes > retention.bytes:
            self._drop_oldest()

    def redact(self, redaction: Redaction, *, lasting: bool = False) -> None:
        """Leaves of the events concerned only what the redaction leaves, in their places. `lasting`: also of events to
        come. Who has been sent an event keeps it; who reads it from now on does not get it."""
        self.revision += 1
        if lasting and redaction not in self._redactions:
            self._redactions = (*self._redactions, redaction)[-_LASTING:]
        for index in range(self._head, len(self._events)):
            event = self._events[index]
            left = redaction.apply(event)
            if left is not event:
                self._events[index] = left
                saved = len(event.body) - len(left.body)
                self._bytes -= saved
                self._totals.bytes -= saved

    @property
    def masks(self) -> tuple[Redaction, ...]:
        """What is taken back, and still to be read where events and what they came to are kept."""
        return self._masks

    def mask(self, redaction: Redaction) -> None:
        """Pages are read with the redaction: it is under way to them. Followed by one `unmask`."""
        self._masks = (*self._masks, redaction)

    def unmask(self, redaction: Redaction) -> None:
        """The pages are redacted."""
        place = next(place for place, mask in enumerate(self._masks) if mask is redaction)
        self._masks = (*self._masks[:place], *self._masks[place + 1 :])
        self.revision += 1

    def masked(self, events: Sequence[Event]) -> Sequence[Event]:
        """What is left of events that the pages gave, or that were on their way to them."""
        for mask in self._masks:
            events = [mask.apply(event) for event in events]
        return events

    def trim(self, now_ms: int) -> int:
        """Drops the events older than the retention and returns how many. The bound on age needs no exactness."""
        horizon = now_ms - self._retention.seconds * 1000
        dropped = 0
        while self._head < len(self._events) and self._events[self._head].timestamp < horizon:
            self._drop_oldest()
            dropped += 1
        return dropped

    def resume(self, since: Position | None) -> Resumption:
        """Where a reader that has seen `since` goes on; without one it starts at the tail."""
        if since is None:
            return Resumption(self.tail, None)
        first = self.first
        if since.epoch != self.epoch:
            return Resumption(first - 1, Gap(self.epoch, 1, first - 1, "epoch"), first - 1 < self.holes)
        if since.offset > self.tail:
            return Resumption(self.tail, Gap(self.epoch, self.tail + 1, since.offset, "future"))
        return self._resume_after(since.offset)

    def replay(self) -> Resumption:
        """Where a reader starts that wants all there is."""
        return self._resume_after(0)

    def resume_at(self, number: int) -> Resumption:
        """Where a reader goes on that has seen all that any log had taken in when there were so many events. Who has
        seen nothing reads all there is.

        Where some of what it has not seen is no longer retained, the gap begins with the first offset: which of these
        events it had seen is not known any more.
        """
        cold = self.tail - (len(self._events) - self._head)
        if not number:
            return self.replay()
        if self._dropped > number:
            # Events that left the memory are numbered no more, also where they are still kept.
            return Resumption(cold, Gap(self.epoch, 1, cold, "retention"))
        return Resumption(cold + bisect_right(self._numbers, number, self._head) - self._head, None)

    def gap_of(self, start: Resumption) -> Gap | None:
        """What a reader that starts there does without, in one range; of one that is compacted the discrete events are
        left."""
        if start.gap is None and start.holes:
            return Gap(self.epoch, start.offset + 1, self.holes, "compacted")
        return start.gap

    def missed(self, offset: int) -> Gap | None:
        """What a reader that stands at `offset` has lost to the retention since."""
        first = self.first
        return Gap(self.epoch, offset + 1, first - 1, "retention") if offset + 1 < first else None

    def is_cold(self, after: int) -> bool:
        """Whether the event after that offset is kept, and not in memory."""
        return self._floor <= after < self.tail - (len(self._events) - self._head)

    async def page(self, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """As `read`, also of what is not in memory, where some offsets may be missing: `with_gaps` tells which. A
        checkpoint then. Raises actors.store.StoreError.

        Nothing where the floor was raised meanwhile: then `missed` tells of what."""
        while self._pages is not None and self.is_cold(max(after, self._floor)):
            revision, start = self.revision, max(after, self._floor)
            events = await self._pages.read(self.key, start, max_events=max_events, max_bytes=max_bytes)
            if start < self._floor:
                # The floor was raised meanwhile: the gap is told first.
                return []
            # The pages may be ahead: what is kept and not yet in the log has no reader so far, nor a position.
            while events and events[-1].offset > self.tail:
                events.pop()
            if revision == self.revision:
                return list(self.masked(events))
        return self.read(after, max_events=max_events, max_bytes=max_bytes)

    def recall(self, page: Sequence[Event]) -> None:
        """What was read behind the memory is wanted by many, as after a restart: it is in memory again, if it leads up
        to what is there, and as far as the window has room."""
        oldest = self.tail - (len(self._events) - self._head)
        if not page or page[-1].offset != oldest or len(page) != 1 + oldest - page[0].offset:
            return
        room, size = self._retention.events - (len(self._events) - self._head), 0
        taken: list[Event] = []
        for event in reversed(page[-room:] if room > 0 else ()):
            size += len(event.body) + EVENT_OVERHEAD
            if event.offset <= self.holes or self._bytes + size > self._retention.bytes:
                break
            taken.append(event)
        if taken:
            self._put_in_front(taken[::-1])

    def with_gaps(self, after: int, events: Sequence[Event]) -> Sequence[Event]:
        """A page that was read after that offset, and in it, as events, what is missing before and between."""
        if not events or events[-1].offset - after == len(events):
            return events
        told: list[Event] = []
        for event in events:
            if event.offset > after + 1:
                told.append(self.gap_event(self._hole(after + 1, event.offset - 1), event.offset - 1))
            told.append(event)
            after = event.offset
        return told

    def read(self, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        """The events in memory after an offset, oldest first: at least one if there is one, then up to both bounds.

        None where the next one is cold."""
        skipped = after - self.tail + len(self._events) - self._head
        if skipped < 0 and self.is_cold(after):
            return []
        start = self._head + max(0, skipped)
        events = self._events[start : start + max_events]
        size = 0
        for count, event in enumerate(events):
            size += len(event.body) + EVENT_OVERHEAD
            if size > max_bytes and count:
                return events[:count]
        return events

    def in_memory(self) -> list[Event]:
        """The newest events, oldest first."""
        return self._events[self._head :]

    def gap_event(self, gap: Gap, offset: int) -> Event:
        """What a reader is told of a gap, at the `offset` where it goes on."""
        now = self.read(offset, max_events=1, max_bytes=0)
        return gap_event(self.key, gap, offset, now[0].timestamp if now else now_ms())

    def abandon(self) -> None:
        """The topic is no more: what is in the pages is dropped, or another's that has its name. Who reads the log
        still may, as far as it is in memory; its bytes are not counted any more."""
        self._floor = self.tail - (len(self._events) - self._head)
        self._pages = None
        self._totals.bytes -= self._bytes
        self._totals = LogTotals()

    def statistics(self) -> LogStatistics:
        return LogStatistics(self.epoch, self.first, self.tail, len(self._events) - self._head, self._bytes)

    def _put_in_front(self, events: list[Event]) -> None:
        size = sum(len(event.body) + EVENT_OVERHEAD for event in events)
        self._events[: self._head] = events
        # Their own numbers are not known any more: who has seen as far as the last that was dropped has seen them all.
        self._numbers[: self._head] = array("q", [self._dropped] * len(events))
        self._head = 0
        self._bytes += size
        self._totals.bytes += size

    def _resume_after(self, offset: int) -> Resumption:
        gap = self.missed(offset)
        start = offset if gap is None else gap.last
        return Resumption(start, gap, start < self.holes)

    def _hole(self, first: int, last: int) -> Gap:
        return Gap(self.epoch, first, last, "retention" if first <= self._floor else "compacted")

    def _drop_oldest(self) -> None:
        size = len(self._events[self._head].body) + EVENT_OVERHEAD
        self._bytes -= size
        self._totals.bytes -= size
        self._events[self._head] = _DROPPED
        self._dropped = self._numbers[self._head]
        self._head += 1
        if self._pages is None:
            self._floor += 1
        # Deleting from the front of a list moves the rest: done once for as many events as remain, so each append pays
        # a constant. (A deque would find an offset in its middle in linear time.)
        if self._head > 64 and self._head * 2 >= len(self._events):
            del self._events[: self._head]
            del self._numbers[: self._head]
            self._head = 0


def new_epoch() -> str:
    """A name that no log had before."""
    return secrets.token_hex(5)
