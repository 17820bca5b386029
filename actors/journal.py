"""The actor before the store: it gathers what is to be kept, commits it as one, and only then delivers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import trio

from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Event
from actors.log import Log
from actors.mailbox import Mailbox, Reply
from actors.position import Position
from actors.store import Floor, Opened, Record, Store, StoreError, Write

_LAST_SECONDS = 5.0
"""How long what waits may take to be kept when the engine stops."""


class JournalOptions(msgspec.Struct, frozen=True):
    """`waiting`: entries in the mailbox; who adds beyond it waits. `batch`: entries in one commit. `retry_seconds`:
    the wait after a failed commit, doubled from the first up to the second."""

    waiting: int = 1024
    batch: int = 4096
    retry_seconds: tuple[float, float] = (0.05, 2.0)


class JournalStatistics(msgspec.Struct, frozen=True):
    waiting: int
    commits: int
    events: int
    failure: str | None
    """Why the last commit was refused; None where it was not."""


class Topic(Protocol):
    """A topic whose events are kept before they are delivered."""

    log: Log

    def deliver(self, events: list[Event]) -> None:
        """They are kept: adds them to the log and hands them to the readers. Never blocks, never fails."""
        ...


class Entry(msgspec.Struct, frozen=True, eq=False):
    """What is kept together. With a `reply` it is refused when the store fails; without one it waits for better days.

    Its position is that of the topic's last event once this one's are in it.
    """

    topic: Topic | None = None
    drafts: tuple[Draft, ...] = ()
    records: tuple[Record, ...] = ()
    opened: tuple[Opened, ...] = ()
    floors: tuple[Floor, ...] = ()
    dropped: tuple[ChannelKey, ...] = ()
    reply: Reply[Position | None] | None = None


class Journal:
    """Group commit: all that waits while one commit is under way is the next one.

    What fails to be kept is never delivered and never acknowledged. Entries keep their order, also over a failure and
    a crash of the actor.
    """

    def __init__(
        self,
        store: Store,
        options: JournalOptions | None = None,
        *,
        changed: Callable[[str | None], None] = lambda failure: None,
    ) -> None:
        """`changed` is told why the store fails, and None once it works again."""
        self._store = store
        self._options = options or JournalOptions()
        self._changed = changed
        self._mailbox: Mailbox[Entry] = Mailbox(self._options.waiting)
        self._ref = self._mailbox.ref
        self._gathered: list[Entry] = []
        """Taken from the mailbox and not yet kept."""
        self._commits = 0
        self._events = 0
        self._failure: str | None = None
        self._pause = self._options.retry_seconds[0]

    @property
    def failure(self) -> str | None:
        """Why nothing can be kept at the moment; None where it can."""
        return self._failure

    def check(self) -> None:
        """Raises CallboardError UNAVAILABLE while nothing can be kept."""
        if self._failure is not None:
            raise _unavailable(self._failure)

    async def add(self, entry: Entry) -> None:
        """Hands over, waiting while the mailbox is full; cancelled meanwhile, nothing is kept.

        Raises CallboardError UNAVAILABLE, at once, for an entry with a reply while nothing can be kept.
        """
        if entry.reply is not None:
            self.check()
        await self._ref.send(entry)

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        """Returns once the records are kept. Raises CallboardError UNAVAILABLE where they are not."""
        reply: Reply[Position | None] = Reply()
        await self.add(Entry(records=records, opened=opened, reply=reply))
        await reply.wait()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. Stopped, it keeps what waits before it ends."""
        task_status.started()
        try:
            while True:
                # While the store fails, clients' entries are refused: an empty commit tells when it works again.
                if not self._gathered and self._failure is None:
                    self._gathered.append(await self._mailbox.receive())
                self._gather()
                if not await self._commit():
                    await trio.sleep(self._next_pause())
        finally:
            with trio.move_on_after(_LAST_SECONDS, shield=True):
                await self._finish()

    def statistics(self) -> JournalStatistics:
        waiting = self._mailbox.statistics().waiting + len(self._gathered)
        return JournalStatistics(waiting, self._commits, self._events, self._failure)

    async def _finish(self) -> None:
        """Keeps all that waits, as long as the store takes it."""
        self._gather()
        while self._gathered and await self._commit():
            self._gather()

    def _gather(self) -> None:
        try:
            while len(self._gathered) < self._options.batch:
                self._gathered.append(self._mailbox.receive_nowait())
        except trio.WouldBlock:
            pass

    async def _commit(self) -> bool:
        batch = self._gathered
        numbered = _number(batch)
        try:
            await self._store.commit(_write(batch, numbered))
        except StoreError as error:
            self._refuse(str(error))
            return False
        self._gathered = []
        self._commits += 1
        self._recover()
        for entry, events in zip(batch, numbered, strict=True):
            self._events += len(events)
            _deliver(entry, events)
        return True

    def _refuse(self, failure: str) -> None:
        kept: list[Entry] = []
        for entry in self._gathered:
            if entry.reply is None:
                kept.append(entry)
            else:
                entry.reply.fail(_unavailable(failure))
        self._gathered = kept
        was, self._failure = self._failure, failure
        if was != failure:
            self._changed(failure)

    def _recover(self) -> None:
        self._pause = self._options.retry_seconds[0]
        if self._failure is not None:
            self._failure = None
            self._changed(None)

    def _next_pause(self) -> float:
        pause = self._pause
        self._pause = min(2 * pause, self._options.retry_seconds[1])
        return pause


def _number(batch: Sequence[Entry]) -> list[list[Event]]:
    """The events of each entry, at the places that they will have once all before them are kept."""
    tails: dict[Log, int] = {}
    numbered: list[list[Event]] = []
    for entry in batch:
        events: list[Event] = []
        if entry.topic is not None:
            log = entry.topic.log
            offset = tails.get(log, log.tail)
            for draft in entry.drafts:
                offset += 1
                events.append(log.place(draft, offset))
            tails[log] = offset
        numbered.append(events)
    return numbered


def _write(batch: Sequence[Entry], numbered: Sequence[Sequence[Event]]) -> Write:
    return Write(
        opened=[opened for entry in batch for opened in entry.opened],
        events=[event for events in numbered for event in events],
        records=[record for entry in batch for record in entry.records],
        floors=[floor for entry in batch for floor in entry.floors],
        dropped=[key for entry in batch for key in entry.dropped],
    )


def _deliver(entry: Entry, events: list[Event]) -> None:
    position: Position | None = None
    if entry.topic is not None:
        entry.topic.deliver(events)
        position = entry.topic.log.position
    if entry.reply is not None:
        entry.reply.answer(position)


def _unavailable(failure: str) -> CallboardError:
    return CallboardError(ErrorCode.UNAVAILABLE, f"nothing can be kept at the moment: {failure}", retry_after=2.0)
