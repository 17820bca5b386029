"""The newest events of a topic, in memory: within a retention, and each with its number among all topics' events."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence

from actors.event import ChannelKey, Event, Merge
from actors.log_totals import LogTotals
from actors.retention import EVENT_OVERHEAD, Retention

_DROPPED = Event(ChannelKey("", ""), "", 0, 0, "", b"", Merge.NEVER, "", 0)
"""Stands where an event was: its memory is given back at once, its place in the list later."""


class EventWindow:
    """Events without a hole between them, the newest one at the tail. What stood before them may be kept elsewhere.

    The base of a log, and not a part of it: each token is added here, and each topic has one.
    """

    __slots__ = (
        "_bytes",
        "_dropped",
        "_events",
        "_head",
        "_numbers",
        "_retention",
        "_totals",
        "last_type",
        "tail",
    )

    def __init__(self, retention: Retention, totals: LogTotals) -> None:
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
        self._totals = totals

    @property
    def cold(self) -> int:
        """The offset of the newest event that is not in memory any more."""
        return self.tail - (len(self._events) - self._head)

    @property
    def newest(self) -> int:
        """The number of the last event among those of all logs; 0 before there is one."""
        return self._numbers[-1] if self._numbers else self._dropped

    def add(self, event: Event) -> None:
        """Adds an event that was made for the offset behind the tail, and drops what the bounds on count and bytes no
        longer allow."""
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

    def trim(self, now_ms: int) -> int:
        """Drops the events older than the retention and returns how many. The bound on age needs no exactness."""
        horizon = now_ms - self._retention.seconds * 1000
        dropped = 0
        while self._head < len(self._events) and self._events[self._head].timestamp < horizon:
            self._drop_oldest()
            dropped += 1
        return dropped

    def in_memory(self) -> list[Event]:
        """The newest events, oldest first."""
        return self._events[self._head :]

    def _after(self, offset: int, max_events: int, max_bytes: int) -> list[Event]:
        """The events in memory after an offset, oldest first: at least one if there is one, then up to both bounds."""
        start = self._head + max(0, offset - self.cold)
        events = self._events[start : start + max_events]
        size = 0
        for count, event in enumerate(events):
            size += len(event.body) + EVENT_OVERHEAD
            if size > max_bytes and count:
                return events[:count]
        return events

    def _offset_at(self, number: int) -> int:
        """The offset that the topic had come to when there were so many events. Of what is not in memory any more it is
        not known."""
        return self.cold + bisect_right(self._numbers, number, self._head) - self._head

    def _change(self, left_of: Callable[[Event], Event]) -> None:
        """Puts in the place of each event what is left of it: the event itself, or one with no longer a body."""
        for index in range(self._head, len(self._events)):
            event = self._events[index]
            left = left_of(event)
            if left is not event:
                self._events[index] = left
                saved = len(event.body) - len(left.body)
                self._bytes -= saved
                self._totals.bytes -= saved

    def _take_back(self, page: Sequence[Event], above: int) -> None:
        """Events that were read elsewhere are in memory again, if they lead up to what is there, and as far as there is
        room; none of those up to the offset `above`."""
        oldest = self.cold
        if not page or page[-1].offset != oldest or len(page) != 1 + oldest - page[0].offset:
            return
        room, size = self._retention.events - (len(self._events) - self._head), 0
        taken: list[Event] = []
        for event in reversed(page[-room:] if room > 0 else ()):
            size += len(event.body) + EVENT_OVERHEAD
            if event.offset <= above or self._bytes + size > self._retention.bytes:
                break
            taken.append(event)
        if taken:
            self._put_in_front(taken[::-1])

    def _put_in_front(self, events: list[Event]) -> None:
        size = sum(len(event.body) + EVENT_OVERHEAD for event in events)
        self._events[: self._head] = events
        # Their own numbers are not known any more: who has seen as far as the last that was dropped has seen them all.
        self._numbers[: self._head] = array("q", [self._dropped] * len(events))
        self._head = 0
        self._bytes += size
        self._totals.bytes += size

    def _leave_totals(self) -> None:
        """Its bytes are not counted among those of all logs any more."""
        self._totals.bytes -= self._bytes
        self._totals = LogTotals()

    def _drop_up_to(self, offset: int) -> None:
        while self._head < len(self._events) and self._events[self._head].offset <= offset:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        size = len(self._events[self._head].body) + EVENT_OVERHEAD
        self._bytes -= size
        self._totals.bytes -= size
        self._events[self._head] = _DROPPED
        self._dropped = self._numbers[self._head]
        self._head += 1
        # Deleting from the front of a list moves the rest: done once for as many events as remain, so each append pays
        # a constant. (A deque would find an offset in its middle in linear time.)
        if self._head > 64 and self._head * 2 >= len(self._events):
            del self._events[: self._head]
            del self._numbers[: self._head]
            self._head = 0
