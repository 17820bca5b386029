"""The actor of one live topic whose events are kept before anyone sees them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Sequence

import trio

from actors.channel import BATCH_BYTES, Channel, Located
from actors.errors import CallboardError
from actors.event import Draft, Event
from actors.journal import Journal
from actors.journal_entries import Appended, Redacted
from actors.log import Log
from actors.mailbox import Reply
from actors.position import Position
from actors.redaction import Redaction
from actors.spawner import Spawner
from actors.store import Record

_BATCH_EVENTS = 1024


class KeptChannel(Channel):
    """Publishing goes through the journal, which numbers the drafts, keeps them, and then calls `deliver`.

    So the log holds only what is kept. A small audience is handed the events in the journal's own step; for a large one
    the actor is woken, and reads them from the log. A crash of that step is the actor's: the journal goes on.
    """

    __slots__ = ("_closed", "_crash", "_delivered", "_journal", "_news", "_parking", "_waiting")

    def __init__(self, log: Log, journal: Journal, supervisor: Spawner, in_place: int) -> None:
        super().__init__(log, supervisor, in_place)
        self._journal = journal
        self._waiting = 0
        """What is in the journal and not in the log."""
        self._delivered = log.tail
        """Whoever keeps up has been handed the events up to there."""
        self._news = trio.Event()
        self._parking = False
        self._closed = False
        self._crash: Exception | None = None

    @property
    def is_deserted(self) -> bool:
        return not self._has_readers and self._waiting == 0

    @property
    def has_work(self) -> bool:
        return self._delivered < self.log.tail or self._audiences.are_behind(self.log.tail)

    def park_nowait(self) -> None:
        self._parking = True
        self._news.set()

    async def submit(
        self, *drafts: Draft, records: tuple[Record, ...] = (), located: Located | None = None, patient: bool = False
    ) -> Reply[Position]:
        reply: Reply[Position] = Reply()
        await self._add(Appended(self, drafts, reply, records, located, patient))
        return reply

    def emit(self, *drafts: Draft, records: tuple[Record, ...] = ()) -> Awaitable[None]:
        return self._add(Appended(self, drafts, records=records))

    async def redact(self, redaction: Redaction, *, lasting: bool) -> None:
        self.log.redact(redaction, lasting=lasting)
        self.log.mask(redaction)
        await self._add(Redacted(self, redaction))

    def deliver(self, events: Sequence[Event], entries: int) -> None:
        """So many `entries` are kept, and their `events` with them. Never blocks, never fails."""
        before = self.log.tail
        self._waiting -= entries
        for event in events:
            self.log.add(event)
        self.last_active = trio.current_time()
        self._notify_watchers()
        if self._delivered == before and self._audiences.subscribers <= self._in_place:
            self._delivered = self.log.tail
            self._deliver_in_place(before, events)
        else:
            self._wake()

    def give_up(self, entries: int) -> None:
        """So many entries were refused."""
        self._waiting -= entries

    def close(self) -> None:
        self._closed = True
        self._news.set()
        self._audiences.dissolve()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        self._delivered = self.log.tail
        self._audiences.wake_behind(self._delivered)
        task_status.started()
        while not self._closed:
            if self._crash is not None:
                crash, self._crash = self._crash, None
                raise crash
            if self._delivered < self.log.tail:
                await self._deliver_next()
            elif self._parking:
                break
            else:
                self._news = trio.Event()
                await self._news.wait()
        self._parking = False
        self.running = False

    async def _add(self, entry: Appended | Redacted) -> None:
        """A point of cancellation, and one at which others may run: each time, or each second time where nobody else
        publishes meanwhile. A task's step costs more than all else here."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_open()
        if not self._journal.try_put(entry):
            await self._journal.wait_for_room(entry)
            self._check_open()
            self._journal.put_nowait(entry)
        self._waiting += 1

    def _check_open(self) -> None:
        if self._closed:
            raise trio.BrokenResourceError

    async def _deliver_next(self) -> None:
        before = self._delivered
        events = self.log.read(before, max_events=_BATCH_EVENTS, max_bytes=BATCH_BYTES)
        if not events or events[0].offset != before + 1:
            # They have left the memory already: everybody reads on by cursor.
            self._delivered = self.log.tail
            self._audiences.wake_behind(self._delivered)
            await trio.lowlevel.checkpoint()
            return
        await self._audiences.deliver(before, events)
        # Only now: what comes meanwhile is not delivered in place.
        self._delivered = events[-1].offset

    def _deliver_in_place(self, before: int, events: Sequence[Event]) -> None:
        if not (self._audiences.subscribers and events):
            return
        try:
            self._audiences.deliver_at_once(before, events)
        except Exception as error:  # noqa: BLE001  supervision: the crash is the topic's, and not the journal's
            self._crash = error
            self._wake()

    def _wake(self) -> None:
        self._parking = False
        self._news.set()
        # Refused now, it starts with the next event.
        with contextlib.suppress(CallboardError):
            self.start()
