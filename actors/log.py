"""The log of one topic: dense offsets from 1 and an epoch, what of them can be read, and where a reader goes on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Protocol

import msgspec

from actors.event import ChannelKey, Draft, Event, now_ms
from actors.event_window import EventWindow
from actors.log_totals import LogTotals
from actors.position import Position
from actors.redaction import Redaction
from actors.resumption import Gap, Resumption, gap_event
from actors.retention import Retention

_LASTING = 64
"""Redactions of what is still being said: few, since who is taken back is stopped. The oldest goes."""


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


class Log(EventWindow):
    """An append-only sequence of events. Without a clock of its own; one actor appends, anyone reads.

    With `pages` behind it, what leaves the memory is still kept, from `first` on, until the floor is raised. Without,
    what leaves the memory is gone.
    """

    __slots__ = (
        "_floor",
        "_masks",
        "_pages",
        "_redactions",
        "epoch",
        "holes",
        "is_settled",
        "key",
        "revision",
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
        super().__init__(retention, totals or LogTotals())
        self.key = key
        # Every life of a log has an epoch of its own: a topic that was forgotten and comes back counts from 1 again.
        self.epoch = epoch or new_epoch()
        self._redactions: tuple[Redaction, ...] = ()
        self._pages = pages
        self._floor = 0
        """Up to there nothing is kept."""
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
        # Without pages, what is not in memory is gone.
        return 1 + (self._floor if self._pages is not None else max(self._floor, self.cold))

    def take_up(self, first: int, tail: int, last_type: str, holes: int = 0) -> None:
        """The pages hold these events already. For a log that is new, before any log has events of its own."""
        self._floor, self.tail, self.last_type, self.holes = first - 1, tail, last_type, holes
        self._totals.appended += tail
        self._totals.taken_up = self._dropped = self._totals.appended

    def compact(self, offset: int) -> None:
        """The pages have lost what was not discrete up to there: it is read from them alone from now on."""
        self._drop_up_to(offset)
        self.holes = offset

    def raise_floor(self, offset: int) -> None:
        """What is kept up to there may go. Called before it does: who reads a page meanwhile then knows of the gap."""
        self._drop_up_to(offset)
        self._floor = max(self._floor, min(offset, self.tail))

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.tail)

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

    def redact(self, redaction: Redaction, *, lasting: bool = False) -> None:
        """Leaves of the events concerned only what the redaction leaves, in their places. `lasting`: also of events to
        come. Who has been sent an event keeps it; who reads it from now on does not get it."""
        self.revision += 1
        if lasting and redaction not in self._redactions:
            self._redactions = (*self._redactions, redaction)[-_LASTING:]
        self._change(redaction.apply)

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
        if not number:
            return self.replay()
        if self._dropped > number:
            # Events that left the memory are numbered no more, also where they are still kept.
            return Resumption(self.cold, Gap(self.epoch, 1, self.cold, "retention"))
        return Resumption(self._offset_at(number), None)

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
        return self._pages is not None and self._floor <= after < self.cold

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
        self._take_back(page, self.holes)

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
        return [] if self.is_cold(after) else self._after(after, max_events, max_bytes)

    def gap_event(self, gap: Gap, offset: int) -> Event:
        """What a reader is told of a gap, at the `offset` where it goes on."""
        now = self.read(offset, max_events=1, max_bytes=0)
        return gap_event(self.key, gap, offset, now[0].timestamp if now else now_ms())

    def abandon(self) -> None:
        """The topic is no more: what is in the pages is dropped, or another's that has its name. Who reads the log
        still may, as far as it is in memory; its bytes are not counted any more."""
        self._floor = self.cold
        self._pages = None
        self._leave_totals()

    def statistics(self) -> LogStatistics:
        return LogStatistics(self.epoch, self.first, self.tail, self.tail - self.cold, self._bytes)

    def _resume_after(self, offset: int) -> Resumption:
        gap = self.missed(offset)
        start = offset if gap is None else gap.last
        return Resumption(start, gap, start < self.holes)

    def _hole(self, first: int, last: int) -> Gap:
        return Gap(self.epoch, first, last, "retention" if first <= self._floor else "compacted")


def new_epoch() -> str:
    """A name that no log had before."""
    return secrets.token_hex(5)
