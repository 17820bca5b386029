"""The actor before the store: it gathers what is to be kept, commits it as one, and only then delivers it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

import msgspec
import trio

from actors.commit_delay import CommitDelay
from actors.errors import CallboardError, ErrorCode
from actors.journal_batch import Batch
from actors.journal_entries import Entry, Kept, fail, frees, topics_of
from actors.last_publisher import LastPublisher
from actors.mailbox import Reply
from actors.pace import Pace
from actors.store import Opened, Record, Store, StoreError, Write
from actors.store_condition import StoreCondition

_LAST_SECONDS = 5.0
"""How long what waits may take to be kept when the engine stops."""


class JournalOptions(msgspec.Struct, frozen=True):
    """`waiting`: entries in the queue; who publishes beyond it waits. `backlog`: entries that are not kept yet; beyond
    it clients are refused what the engine would note for them without waiting. `batch`: entries in one commit.
    `gather_seconds`: while many topics are at work, the least time between the beginnings of two commits that nobody
    waits for. `retry_seconds`: the wait after a failed commit, doubled from the first up to the second."""

    waiting: int = 1024
    backlog: int = 65_536
    batch: int = 4096
    gather_seconds: float = 0.005
    retry_seconds: tuple[float, float] = (0.05, 2.0)


class JournalStatistics(msgspec.Struct, frozen=True):
    waiting: int
    commits: int
    events: int
    failures: int
    """Commits that were refused."""
    last_commit_seconds: float
    """How long the last one took that was not."""
    failure: str | None
    """Why the last commit was refused; None where it was not."""


class Journal:
    """Group commit: all that waits while one commit is under way is the next one.

    A commit has a price of its own, a hundred times that of an event. Where many topics are at work the next one so
    begins a little later, and carries what they say meanwhile; but at once when an entry has a reply, since somebody
    waits for it.

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
        self._condition = StoreCondition(changed, self._options.retry_seconds[1])
        self._waiting: deque[Entry] = deque()
        self._news: trio.Event | None = None
        """Set by the next entry; None while the actor does not wait for one."""
        self._pressing: trio.Event | None = None
        """Set by the next entry that lets the actor wait no longer for others."""
        self._room = trio.Event()
        self._publisher = LastPublisher()
        """Of the entries since the last commit began."""
        self._gathered: list[Entry] = []
        """Taken from the queue and not yet kept."""
        self._commits = 0
        self._events = 0
        self._failures = 0
        self._last_commit_seconds = 0.0
        self._delay = CommitDelay(self._options.gather_seconds)
        self._pause = self._options.retry_seconds[0]

    @property
    def failure(self) -> str | None:
        """Why not all can be kept at the moment; None where it can."""
        return self._condition.failure

    def check(self) -> None:
        """Raises CallboardError UNAVAILABLE while nothing can be kept."""
        if self._condition.is_shut:
            raise _unavailable(self.failure)

    def check_backlog(self) -> None:
        """Raises CallboardError UNAVAILABLE where so much waits that no client is to add to it."""
        if self._not_kept >= self._options.backlog:
            raise _unavailable(self.failure or "too much waits")

    async def wait_for_room(self, *, is_refusable: bool = False) -> None:
        """Returns when an entry may be put. A checkpoint. Raises CallboardError UNAVAILABLE for one that `is_refusable`
        while nothing can be kept: a client does not wait for a store that fails."""
        await trio.lowlevel.checkpoint()
        self._check(is_refusable=is_refusable)
        while len(self._waiting) >= self._options.waiting:
            await self._room.wait()
            self._check(is_refusable=is_refusable)

    def put_nowait(self, entry: Entry) -> None:
        """In order behind all that waits. Whoever publishes waits for room first; what the engine puts of itself at a
        bounded rate, as the end of a topic, need not. Raises CallboardError UNAVAILABLE for an entry with a reply while
        nothing can be kept."""
        if entry.is_refusable:
            self.check()
        self._waiting.append(entry)
        if self._news is not None:
            self._news.set()
        elif self._pressing is not None and self._delay.is_ended_by(entry, len(self._waiting)):
            self._pressing.set()

    def try_put(self, entry: Entry) -> bool:
        """Puts the entry where there is room and its task may go on at once; False where it has to wait for room, if
        only for a round of the loop: who has put the last entry as well lets the others have their turn. Raises as
        `put_nowait`."""
        task = id(trio.lowlevel.current_task())
        if not self._publisher.note(task) or len(self._waiting) >= self._options.waiting:
            self._publisher.forget()
            return False
        self.put_nowait(entry)
        return True

    async def keep(self, *records: Record, opened: tuple[Opened, ...] = ()) -> None:
        """Returns once the records are kept, in order behind all that was put. Raises CallboardError UNAVAILABLE where
        they are not.

        It does not wait for room: each client has one such entry at a time, and waits for its end."""
        reply: Reply[None] = Reply()
        self.put_nowait(Kept(records=records, opened=opened, reply=reply))
        await reply.wait()

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. Stopped, it keeps what waits before it ends."""
        task_status.started()
        try:
            while True:
                # While the store is shut, clients' entries are refused: an empty commit tells when they may try again.
                if not self._gathered and not self._condition.is_shut:
                    with trio.move_on_at(self._condition.trial_at):
                        await self._some_news()
                        await self._some_more()
                self._gather()
                if not await self._commit():
                    await trio.sleep(self._next_pause())
                elif self._condition.trial_at <= trio.current_time():
                    await self._try_out()
        finally:
            with trio.move_on_after(_LAST_SECONDS, shield=True):
                await self._finish()

    def statistics(self) -> JournalStatistics:
        return JournalStatistics(
            self._not_kept, self._commits, self._events, self._failures, self._last_commit_seconds, self.failure
        )

    @property
    def _not_kept(self) -> int:
        return len(self._waiting) + len(self._gathered)

    def _check(self, *, is_refusable: bool) -> None:
        if is_refusable:
            self.check()

    async def _finish(self) -> None:
        """Keeps all that waits, as long as the store takes it."""
        self._gather()
        while self._gathered and await self._commit():
            self._gather()

    async def _some_news(self) -> None:
        # Whatever a run before this one has waited for.
        self._news = self._pressing = None
        if not self._waiting:
            self._news = trio.Event()
            await self._news.wait()
            self._news = None

    async def _some_more(self) -> None:
        """Where many are at work, a little later more waits that can share the commit."""
        if self._delay.is_over(self._waiting):
            return
        self._pressing = trio.Event()
        with trio.move_on_at(self._delay.ends_at):
            await self._pressing.wait()
        self._pressing = None

    def _gather(self) -> None:
        # A topic that is dropped may begin anew: what is of its next life belongs to the next commit.
        waiting, gathered = self._waiting, self._gathered
        dropped = {key for entry in gathered if isinstance(entry, Kept) for key in entry.dropped}
        while waiting and len(gathered) < self._options.batch:
            if dropped and not dropped.isdisjoint(topics_of(waiting[0])):
                break
            entry = waiting.popleft()
            gathered.append(entry)
            if isinstance(entry, Kept):
                dropped.update(entry.dropped)
        if len(waiting) < self._options.waiting:
            self._wake_waiting()

    def _wake_waiting(self) -> None:
        """Those who wait for room look again."""
        self._room.set()
        self._room = trio.Event()

    async def _commit(self) -> bool:
        ahead = self._freeing() if self.failure is not None else []
        batch = Batch(ahead or self._gathered)
        began = trio.current_time()
        self._delay.note_begun(began)
        self._publisher.forget()
        write = batch.write
        try:
            await self._store.commit(write)
        except StoreError as error:
            self._condition.note_refused(write, str(error))
            self._refuse(str(error))
            return False
        self._commits += 1
        self._last_commit_seconds = trio.current_time() - began
        self._delay.note_kept(len(batch.deliveries))
        if ahead:
            self._gathered = [entry for entry in self._gathered if not frees(entry)]
        else:
            self._gathered = []
            self._pause = self._options.retry_seconds[0]
            self._condition.note_kept()
        batch.unmask()
        pace = Pace()
        for topic, delivery in batch.deliveries.items():
            self._events += len(delivery.events)
            topic.deliver(delivery.events, delivery.entries)
            if pace.is_due():
                # What is kept and not delivered would be numbered again, and nobody would hear of it.
                await pace.step_aside(cancellable=False)
        batch.answer()
        return True

    def _freeing(self) -> list[Entry]:
        """What makes room in a store that may be full. It can go ahead: it is about events that are kept already."""
        return [entry for entry in self._gathered if frees(entry)]

    def _refuse(self, failure: str) -> None:
        # Also those behind a batch that is full: it may stay so for as long as the store fails.
        self._gathered = _refuse(self._gathered, failure)
        self._waiting = deque(_refuse(self._waiting, failure))
        self._failures += 1
        self._wake_waiting()

    async def _try_out(self) -> None:
        """Whether the store that has failed works again."""
        try:
            for record in self._condition.trial:
                await self._store.commit(Write(records=(record,)))
        except StoreError:
            self._condition.note_failed_trial(trio.current_time())
        else:
            self._condition.note_passed_trial()

    def _next_pause(self) -> float:
        pause = self._pause
        self._pause = min(2 * pause, self._options.retry_seconds[1])
        return pause


def _refuse(entries: Iterable[Entry], failure: str) -> list[Entry]:
    """Returns those that wait for better days."""
    left: list[Entry] = []
    for entry in entries:
        if entry.is_refusable:
            fail(entry, _unavailable(failure))
        else:
            left.append(entry)
    return left


def _unavailable(failure: str | None) -> CallboardError:
    return CallboardError(ErrorCode.UNAVAILABLE, f"nothing can be kept at the moment: {failure}", retry_after=2.0)
