"""A store in memory that takes its time, and fails when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import trio

from actors.event import ChannelKey, Event, Merge
from actors.retention import EVENT_OVERHEAD, Retention
from actors.snapshot_base import BASE, base_id, redact_base
from actors.store import Compaction, Excess, Overfull, StoredTopic, StoreError, Write, own_kind


def beyond_bounds(events: Sequence[Event], bound: Retention, now: int) -> Sequence[Event]:
    """Those that go, oldest first, until the rest is within all bounds."""
    size = sum(len(event.body) + EVENT_OVERHEAD for event in events)
    for count, event in enumerate(events):
        is_old = event.timestamp < int(now - bound.seconds * 1000)
        if not (is_old or len(events) - count > bound.events or size > bound.bytes):
            return events[:count]
        size -= len(event.body) + EVENT_OVERHEAD
    return events


def _size(write: Write) -> int:
    records = sum(len(record.body) for record in write.records if record.body is not None)
    return records + sum(len(event.body) for event in write.events)


class MemoryStore:
    """An actors.store.RetainedStore. What it holds outlives the engine above it, as a disk does."""

    def __init__(self, *, seconds: float = 0, pause: Callable[[], float] | None = None) -> None:
        """A commit takes so many `seconds`, or those that `pause` gives."""
        self.commits = 0
        self.spare_bytes: int | None = None
        """Bytes that a commit may hold where the store is nearly full; None for any number."""
        self.images: list[MemoryStore] | None = None
        """Where it is a list: what a crash after each commit would leave, from before the first on."""
        self._pause = pause or (lambda: seconds)
        self._epochs: dict[ChannelKey, str] = {}
        self._events: dict[ChannelKey, list[Event]] = {}
        self._floors: dict[ChannelKey, int] = {}
        self._holes: dict[ChannelKey, int] = {}
        self._records: dict[tuple[str, str], bytes] = {}
        self._failure: str | None = None
        self._crash: Exception | None = None

    def slow_down(self, seconds: float) -> None:
        """A commit takes so long from now on."""
        self._pause = lambda: seconds

    def fail(self, why: str) -> None:
        self._failure = why

    def recover(self) -> None:
        self._failure = None

    def crash(self, error: Exception) -> None:
        """The next commit raises it."""
        self._crash = error

    def image(self) -> MemoryStore:
        """What a crash would leave at the moment."""
        left = MemoryStore()
        left._epochs, left._floors, left._records = dict(self._epochs), dict(self._floors), dict(self._records)
        left._holes = dict(self._holes)
        left._events = {key: list(events) for key, events in self._events.items()}
        return left

    def watch_commits(self) -> list[MemoryStore]:
        """The images from now on: `[n]` is from after the n-th commit from here."""
        self.images = [self.image()]
        return self.images

    def events(self, key: ChannelKey) -> list[Event]:
        return self._events.get(key, [])

    def holds(self, text: bytes) -> bool:
        """Whether it is anywhere in it, in whatever case."""
        bodies = [event.body for events in self._events.values() for event in events]
        return any(text in body.lower() for body in (*bodies, *self._records.values()))

    async def commit(self, write: Write) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(self._pause())
        if self._crash is not None:
            crash, self._crash = self._crash, None
            raise crash
        if self._failure is not None:
            raise StoreError(self._failure)
        if self.spare_bytes is not None and _size(write) > self.spare_bytes:
            raise StoreError("full")
        self._apply(write)
        self.commits += 1
        if self.images is not None:
            self.images.append(self.image())

    async def read(self, key: ChannelKey, after: int, *, max_events: int, max_bytes: int) -> list[Event]:
        await trio.lowlevel.checkpoint()
        if self._failure is not None:
            raise StoreError(self._failure)
        page: list[Event] = []
        size = 0
        for event in self._events.get(key, []):
            size += len(event.body) if event.offset > after else 0
            if event.offset > after and len(page) < max_events and (size <= max_bytes or not page):
                page.append(event)
        return page

    async def topics(self) -> list[StoredTopic]:
        await trio.lowlevel.checkpoint()
        return [self._stored(key) for key in self._epochs]

    async def excess(self, bounds: Mapping[str, Retention], now: int, after: int) -> Excess:
        """One topic at a time. `after` counts them."""
        await trio.lowlevel.checkpoint()
        if self._failure is not None:
            raise StoreError(self._failure)
        keys = list(self._epochs)[after : after + 1]
        found = tuple(
            Overfull(key, self._epochs[key], beyond[-1].offset)
            for key in keys
            if (beyond := beyond_bounds(self.events(key), bounds.get(key.channel, Retention()), now))
        )
        return Excess(found, after + 1 if keys else None)

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        await trio.lowlevel.checkpoint()
        return sorted((name, body) for (its_kind, name), body in self._records.items() if its_kind == kind)

    async def record(self, kind: str, name: str) -> bytes | None:
        await trio.lowlevel.checkpoint()
        if self._failure is not None:
            raise StoreError(self._failure)
        return self._records.get((kind, name))

    def _apply(self, write: Write) -> None:
        for opened in write.opened:
            self._epochs.setdefault(opened.key, opened.epoch)
        for rewrite in write.rewrites:
            self._events[rewrite.key] = [rewrite.redaction.apply(kept) for kept in self.events(rewrite.key)]
        for event in write.events:
            self._epochs.setdefault(event.key, event.epoch)
            kept = self._events.setdefault(event.key, [])
            assert event.offset == self._tail(event.key) + 1, f"{event.key}: {event.offset} is not the next place"
            kept.append(event)
        for record in write.records:
            if record.body is None:
                self._records.pop((record.kind, record.id), None)
            else:
                self._records[record.kind, record.id] = record.body
        for rewrite in write.rewrites:
            base = (BASE, base_id(rewrite.key))
            if base in self._records:
                self._records[base] = redact_base(rewrite.key, self._records[base], rewrite.redaction)
        for floor in write.floors:
            self._floors[floor.key] = max(self._floors.get(floor.key, 0), floor.offset)
            self._events[floor.key] = [kept for kept in self.events(floor.key) if kept.offset > floor.offset]
        for compaction in write.compactions:
            self._compact(compaction)
        for key in write.dropped:
            for held in (self._epochs, self._events, self._floors, self._holes):
                held.pop(key, None)
            for name in [name for name in self._records if name[0] == own_kind(key)]:
                del self._records[name]

    def _compact(self, compaction: Compaction) -> None:
        key, offset = compaction.key, compaction.offset
        assert offset < self._tail(key), f"{key}: the newest event is not to go"
        self._holes[key] = offset
        self._events[key] = [kept for kept in self.events(key) if kept.offset > offset or kept.merge is Merge.NEVER]

    def _tail(self, key: ChannelKey) -> int:
        kept = self._events.get(key, [])
        return kept[-1].offset if kept else self._floors.get(key, 0)

    def _stored(self, key: ChannelKey) -> StoredTopic:
        tail = self._tail(key)
        kept = self._events.get(key, [])
        first, holes = self._floors.get(key, 0) + 1, self._holes.get(key, 0)
        return StoredTopic(key, self._epochs[key], first, tail, kept[-1].event_type if kept else "", holes)
