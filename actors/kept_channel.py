"""The actor of one live topic whose events are kept before anyone sees them."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.channel import BATCH_BYTES, Addition, Channel
from actors.event import Event
from actors.journal import Journal
from actors.journal_entries import Appended, Redacted
from actors.log import Log
from actors.redaction import Redaction
from actors.spawner import Spawner

_BATCH_EVENTS = 1024


class KeptChannel(Channel):
    """Publishing goes through the journal, which numbers the drafts, keeps them, and then calls `deliver`.

    So the log holds only what is kept. A small audience is handed the events in the journal's own step; for a large one
    the actor is woken, and reads them from the log. A crash of that step is the actor's: the journal goes on.
    """

    __slots__ = (
        "_closed",
        "_coming",
        "_crash",
        "_delivered",
        "_journal",
        "_news",
        "_parking",
        "_taken_back",
        "_waiting",
    )

    def __init__(self, log: Log, journal: Journal, supervisor: Spawner, in_place: int) -> None:
        super().__init__(log, supervisor, in_place)
        self._journal = journal
        self._waiting = 0
        """What is in the journal and not in the log."""
        self._coming = 0
        """Those who wait until the journal has room."""
        self._taken_back: tuple[Redaction, ...] = ()
        """While they wait."""
        self._delivered = log.tail
        """Whoever keeps up has been handed the events up to there."""
        self._news = trio.Event()
        self._parking = False
        self._closed = False
        self._crash: Exception | None = None

    @property
    def is_deserted(self) -> bool:
        return not self._has_readers and self._waiting + self._coming == 0

    @property
    def has_work(self) -> bool:
        return self._delivered < self.log.tail or self._audiences.are_behind(self.log.tail)

    def park_nowait(self) -> None:
        self._parking = True
        self._news.set()

    async def add(self, addition: Addition) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self.check_open()
        if self._journal.try_put(self.entry(addition)):
            self._waiting += 1
        else:
            await self._add_later(addition)

    def entry(self, addition: Addition) -> Appended:
        """For the journal, as of now: made in the step in which it is put there."""
        records = () if addition.records is None else addition.records()
        return Appended(self, addition.drafts, addition.reply, records, addition.located, addition.patient)

    def expect(self) -> None:
        """An entry waits for room in the journal, and the topic is not put away. `take_over` or `forgo` follows."""
        self._coming += 1

    def take_over(self) -> None:
        """The entry is in the journal: `deliver` or `give_up` follows."""
        self._waiting += 1
        # It may have waited for longer than what takes it back.
        for redaction in self._taken_back:
            self._take_back(redaction)
        self.forgo()

    def forgo(self) -> None:
        """No longer does it wait for room."""
        self._coming -= 1
        if not self._coming:
            self._taken_back = ()

    def check_open(self) -> None:
        """Raises trio.BrokenResourceError once the topic is closed."""
        if self._closed:
            raise trio.BrokenResourceError

    async def redact(self, redaction: Redaction, *, lasting: bool) -> None:
        if self._closed:
            raise trio.BrokenResourceError
        self.log.redact(redaction, lasting=lasting)
        if self._coming:
            self._taken_back = (*self._taken_back, redaction)
        self._take_back(redaction)
        # Not a point of cancellation: it has been taken back.
        await trio.lowlevel.cancel_shielded_checkpoint()

    def deliver(self, events: Sequence[Event], entries: int) -> None:
        """So many `entries` are kept, and their `events` with them. Never blocks, never fails."""
        before = self.log.tail
        self._waiting -= entries
        # What was taken back while they were committed is so in the store with the next commit.
        events = self.log.masked(events)
        for event in events:
            self.log.add(event)
        self.last_active = trio.current_time()
        if self._watchers:
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

    async def _add_later(self, addition: Addition) -> None:
        self.expect()
        try:
            await self._journal.wait_for_room(is_refusable=addition.is_refusable)
            self.check_open()
            self._journal.put_nowait(self.entry(addition))
        except BaseException:
            # Cancelled, or refused: either way it does not come any more.
            self.forgo()
            raise
        self.take_over()

    def _take_back(self, redaction: Redaction) -> None:
        """From all that is in the journal by now; until that is kept, who reads pages sees what will be left."""
        self.log.mask(redaction)
        self._journal.put_nowait(Redacted(self, redaction))
        self._waiting += 1

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
        self.wake()
