"""The handle on one live topic: who publishes to it, who follows it, and the actor that hands out its events."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import msgspec
import trio

from actors.alone import Alone
from actors.audiences import Audiences
from actors.childspec import ChildSpec, Restart
from actors.errors import CallboardError
from actors.event import ChannelKey, Draft
from actors.log import Log
from actors.mailbox import Reply
from actors.position import Position
from actors.redaction import Redaction
from actors.spawner import Spawner, spawn
from actors.store import Record
from actors.subscription import Subscription
from actors.watcher import Watcher

BATCH_BYTES = 256 * 1024
"""Bodies joined into one fan-out. The frames are shared by all subscribers, so this bounds memory per topic."""


Located: TypeAlias = Callable[[Position], tuple[Record, ...]]
"""Records that hold the position of what they are kept with."""


Records: TypeAlias = Callable[[], tuple[Record, ...]]
"""What is true with events. It is asked for in the step in which they are handed over for good: who waits for room
until then does not write over what others have kept of the same things meanwhile."""


class Addition(msgspec.Struct, frozen=True, eq=False):
    """What is to be added to a topic, the arguments as of `Channel.add`."""

    key: ChannelKey
    drafts: tuple[Draft, ...]
    records: Records | None = None
    located: Located | None = None
    reply: Reply[Position] | None = None
    patient: bool = False

    @property
    def is_refusable(self) -> bool:
        """Whether it is refused, and does not wait, while nothing can be kept."""
        return self.reply is not None and not self.patient


class Channel(ABC):
    """What outlives a crash of the topic's actor: the log, the subscribers, what is yet to be published.

    Subscribing goes past the actor: it reads the log and takes a cursor in one synchronous step, which no append can
    come between.
    """

    __slots__ = ("_alone", "_audiences", "_in_place", "_supervisor", "_watchers", "last_active", "log", "running")

    def __init__(self, log: Log, supervisor: Spawner, in_place: int) -> None:
        """`in_place`: the largest audience, in subscribers, that is handed events without waking the actor; -1 for
        none."""
        self.log = log
        self.last_active = trio.current_time()
        self.running = False
        """Whether the actor has a task, or will have one again after a crash."""
        self._alone = Alone()
        self._supervisor = supervisor
        self._in_place = in_place
        self._audiences = Audiences()
        self._watchers: dict[Watcher, None] = {}

    @property
    def key(self) -> ChannelKey:
        return self.log.key

    @property
    def subscribers(self) -> int:
        return self._audiences.subscribers

    @property
    def furthest(self) -> int:
        """The last event that any of the subscribers was sent; 0 without one."""
        return self._audiences.furthest

    @property
    def is_heard(self) -> bool:
        """Whether what is said here reaches somebody now: a subscriber, or the audience of one who watches."""
        return bool(self._audiences) or any(watcher.is_heard for watcher in self._watchers)

    @property
    @abstractmethod
    def is_deserted(self) -> bool:
        """No reader and nothing to append: the topic can be put away without anyone noticing."""

    @property
    @abstractmethod
    def has_work(self) -> bool:
        """Something is for the actor to do: after the loss of its task it needs another one."""

    @abstractmethod
    def park_nowait(self) -> None:
        """Asks an idle actor to give up its task. It starts again with the next event."""

    @abstractmethod
    async def add(self, addition: Addition) -> None:
        """Hands the drafts over, waiting while no more are taken; cancelled meanwhile, nothing is appended.

        The reply is the last event's position, once it is in the log; it fails with CallboardError UNAVAILABLE where
        the events cannot be kept, unless they are `patient`. Without a reply they wait until they can. The records are
        kept with the events, or not at all; where these are not kept, neither are they. In order with every other call
        from the same task. Raises trio.BrokenResourceError once the topic is closed.

        A point of cancellation each time. It lets others run as well, unless one of them has published since this task
        last did: a task's step costs more than all else here.
        """

    @abstractmethod
    async def redact(self, redaction: Redaction, *, lasting: bool) -> None:
        """Takes back what is in the log, at once, and what waits to be appended; `lasting`, also all that is published
        later. Raises as `add`."""

    @abstractmethod
    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """The actor. After a crash it goes on from the log: whoever the last fan-out missed reads on by cursor."""

    @abstractmethod
    def close(self) -> None:
        """Ends the actor: the topic is no more."""

    def subscribe(self, subscription: Subscription) -> None:
        """From its cursor on, the subscription gets everything. Nothing is sent before this call."""
        self._audiences.add(subscription, self.log.tail)

    def unsubscribe(self, subscription: Subscription) -> bool:
        """Whether it was subscribed. Not one more event reaches the connection, also from a fan-out under way."""
        self.last_active = trio.current_time()
        return self._audiences.remove(subscription)

    def watch(self, watcher: Watcher) -> None:
        """Idempotent."""
        self._watchers[watcher] = None

    def unwatch(self, watcher: Watcher) -> None:
        """Idempotent."""
        self._watchers.pop(watcher, None)

    def start(self) -> None:
        """Gives the actor a task, unless it has one. Raises CallboardError BUSY where the supervisor takes none."""
        if not self.running:
            body = partial(self._alone.run, self.run)
            spawn(self._supervisor, ChildSpec(f"channel {self.key}", body, Restart.TRANSIENT))
            self.running = True

    def wake(self) -> None:
        """As `start`. Where the supervisor takes nobody now, `Channels.revive` or the next sweep sees to it."""
        with contextlib.suppress(CallboardError):
            self.start()

    @property
    def _has_readers(self) -> bool:
        return bool(self._audiences or self._watchers)

    def _notify_watchers(self) -> None:
        # Copied: one that is told may go by that.
        for watcher in tuple(self._watchers):
            watcher.notice(self.log.key)
