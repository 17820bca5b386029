"""The directory of topics: opens them on demand, puts the idle away, attaches those who follow a whole channel."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import chain, islice

import msgspec
import trio

from actors.channel import Channel
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, now_ms
from actors.groups import Groups
from actors.journal import Journal
from actors.journal_entries import Kept
from actors.kept_channel import KeptChannel
from actors.log import Log, LogTotals, Pages, Resumption, Retention
from actors.mailbox import Reply
from actors.outbox import Outbox
from actors.pace import Pace
from actors.position import Position
from actors.redaction import Redaction
from actors.snapshot_base import FOLDS, no_base
from actors.spawner import Spawner
from actors.store import StoredTopic
from actors.subscription import Encoder, Subscription
from actors.volatile_channel import VolatileChannel
from actors.watcher import Watcher


class ChannelsOptions(msgspec.Struct, frozen=True):
    """`idle_seconds`: a topic nobody uses gives up its actor and keeps its log. `topics`: logs kept in all; beyond it
    the topic unused for longest is forgotten. Names that never had an event are counted apart, by the same number.
    `publish_seconds`: how long a publisher waits for a full mailbox. `in_place`: the largest audience of an
    idle topic for which its turn is taken in the publisher's task; -1 for never."""

    mailbox: int = 1024
    idle_seconds: float = 30.0
    topics: int = 100_000
    publish_seconds: float = 10.0
    in_place: int = 32


class Keeping(msgspec.Struct, frozen=True):
    """Topics that `keeps` names go through the journal. Of their events those within `window` stay in memory, all are
    in `pages`."""

    journal: Journal
    pages: Pages
    keeps: Callable[[ChannelKey], bool]
    window: Retention


class ChannelsStatistics(msgspec.Struct, frozen=True):
    live: int
    shelved: int
    subscriptions: int
    followers: int
    retained_bytes: int
    events: int


class Follower(msgspec.Struct, frozen=True, eq=False):
    """Somebody who follows every topic of a channel that it may see, also those to come.

    These are the topics of `owner` and those of everybody; all of them where `owner` is None.
    """

    channel: str
    owner: str | None
    attach: Callable[[ChannelKey], None]
    detach: Callable[[ChannelKey], None]
    """The topic is no more. What the follower lags behind with it may still read."""


class Channels:
    """All topics of the engine. Sync but for publishing: one task at a time runs, so a decision needs no lock."""

    def __init__(
        self,
        supervisor: Spawner,
        retention: Mapping[str, Retention],
        options: ChannelsOptions | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        """`keeping`: which topics outlive the process, and how; without it none does."""
        self._supervisor = supervisor
        self._keeping = keeping
        self._retention = retention
        self._options = options or ChannelsOptions()
        self._live: dict[ChannelKey, Channel] = {}
        self._shelf: dict[ChannelKey, Log] = {}
        self._unused: dict[ChannelKey, Log] = {}
        """Shelved without ever having had an event. Apart, so that who asks for many names drives no real log out."""
        self._keys: Groups[tuple[str, str], ChannelKey] = Groups()
        """The live topics by channel and owner."""
        self._followers: Groups[tuple[str, str | None], Follower] = Groups()
        """By channel and what they see; under the owner of everybody's topics all who follow the channel."""
        self._follower_count = 0
        self._subscription_count = 0
        self._totals = LogTotals()

    def exists(self, key: ChannelKey) -> bool:
        return key in self._live or key in self._shelf or key in self._unused

    def create(self, key: ChannelKey, retention: Retention | None = None) -> Position:
        """Opens a new topic, so that those who follow its channel are there for its first event. `retention`: where it
        is not that of its channel."""
        return self._open(key, retention).log.position

    def take_up(self, stored: StoredTopic) -> None:
        """A topic that was kept goes on where it ended. Called before anything else is."""
        log = self._new_log(stored.key, None, stored.epoch)
        log.take_up(stored.first, stored.tail, stored.last_type, stored.holes)
        shelf = self._shelf if log.tail else self._unused
        shelf[stored.key] = log

    def logs(self) -> Iterator[Log]:
        """Of all topics that there are now. While they are walked over, topics may come and go."""
        live, shelved = tuple(self._live.values()), tuple(self._shelf.values())
        return chain((channel.log for channel in live), shelved)

    def find_log(self, key: ChannelKey) -> Log | None:
        """The topic's log, if there is one. The topic is not taken into use by it."""
        channel = self._live.get(key)
        return self._shelf.get(key) or self._unused.get(key) if channel is None else channel.log

    def log(self, key: ChannelKey) -> Log:
        """The topic's log, to read. A topic never published to has an empty one."""
        return self._open(key).log

    def resume(self, key: ChannelKey, since: Position | None) -> Resumption:
        """Where a subscription that has seen `since` will start; at the tail without one."""
        return self._open(key).log.resume(since)

    def subscribe(self, key: ChannelKey, outbox: Outbox, encoder: Encoder, start: Resumption) -> Subscription:
        """Delivers all after `start` to the outbox, from now on. The reply that names the start is sent before."""
        channel = self._open(key)
        subscription = Subscription(channel.log, outbox, encoder, start.offset, start.gap)
        channel.subscribe(subscription)
        self._subscription_count += 1
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Idempotent, also where the topic is no more."""
        channel = self._live.get(subscription.log.key)
        if channel is not None:
            self._subscription_count -= channel.unsubscribe(subscription)
        else:
            subscription.outbox.forget(subscription)

    def follow(self, follower: Follower) -> None:
        """Attaches the follower to every live topic it may see, and to each that opens later."""
        for log, _ in self.follow_what_comes(follower):
            follower.attach(log.key)

    def follow_what_comes(self, follower: Follower) -> list[tuple[Log, int]]:
        """Attaches the follower to each topic that opens from now on. Returns the logs of those that are live and where
        they end: who walks over very many of them in slices, and begins there, misses nothing."""
        self._followers.add((follower.channel, ""), follower)
        self._followers.add((follower.channel, follower.owner), follower)
        self._follower_count += 1
        return [(channel.log, channel.log.tail) for channel in self._live_channels(follower)]

    def unfollow(self, follower: Follower) -> None:
        """Idempotent."""
        self._follower_count -= self._followers.discard((follower.channel, ""), follower)
        self._followers.discard((follower.channel, follower.owner), follower)

    async def publish(self, key: ChannelKey, *drafts: Draft) -> Position:
        """Appends and returns the position. Raises CallboardError BUSY when the topic stays full for too long."""
        reply: Reply[Position] | None = None
        with trio.move_on_after(self._options.publish_seconds):
            reply = await self.submit(key, *drafts)
        if reply is None:
            raise CallboardError(ErrorCode.BUSY, f"{key} takes no more events at the moment", retry_after=1.0)
        # No deadline from here on: what is in the mailbox will be in the log, and a refusal now would be a lie.
        return await reply.wait()

    async def submit(self, key: ChannelKey, *drafts: Draft) -> Reply[Position]:
        """Hands over, waiting as long as it takes; cancelled meanwhile, nothing is appended. The reply is the position.

        Raises CallboardError NOT_FOUND where the topic is forgotten meanwhile.
        """
        try:
            return await self._open(key).submit(*drafts)
        except trio.BrokenResourceError:
            raise CallboardError(ErrorCode.NOT_FOUND, f"{key} is gone") from None

    def emit(self, key: ChannelKey, *drafts: Draft) -> Awaitable[None]:
        """Appends in order, waiting as long as it takes: the back-pressure on those inside the engine."""
        return self._open(key).emit(*drafts)

    async def redact(self, key: ChannelKey, redaction: Redaction, *, lasting: bool = False) -> None:
        """Takes back what the redaction concerns in the topic, if there is one; `lasting`, also what is still to come.

        Subscribers that lag get what is left.
        """
        if not self.exists(key):
            await trio.lowlevel.checkpoint()
            return
        # Where the topic is forgotten meanwhile, nothing is left of it.
        with contextlib.suppress(trio.BrokenResourceError):
            await self._open(key).redact(redaction, lasting=lasting)

    def forget(self, key: ChannelKey) -> None:
        """Drops a topic with its log. Subscribers hear nothing more of it."""
        channel = self._live.pop(key, None)
        log = self._take_from_shelf(key) if channel is None else channel.log
        if channel is not None:
            self._keys.discard((key.channel, key.owner), key)
            self._subscription_count -= channel.subscribers
            channel.close()
            for follower in self._followers_of(key):
                follower.detach(key)
        if log is not None:
            log.leave_totals()
            if self._keeping is not None and self._keeping.keeps(key):
                bases = (no_base(key),) if key.channel in FOLDS else ()
                self._keeping.journal.put_nowait(Kept(dropped=(key,), records=bases))

    def revive(self) -> None:
        """The supervisor has lost its children and runs again: starts the actors that have something to do.

        A single crash is the supervisor's to mend; this is for its own.
        """
        for channel in self._live.values():
            channel.running = False
            if channel.has_work:
                channel.start()

    async def sweep(self) -> None:
        """Puts idle topics away, drops what is too old, forgets beyond the limit. Called now and then, one at a time.

        Others run meanwhile: topics may open, be used and be forgotten.
        """
        await trio.lowlevel.checkpoint()
        now, horizon = now_ms(), trio.current_time() - self._options.idle_seconds
        pace = Pace()
        live = deque(self._live.values())
        while live:
            # Let go of one by one: to free a hundred thousand at once would be a long step of its own.
            channel = live.popleft()
            channel.log.trim(now)
            if channel.last_active < horizon:
                self._put_away(channel)
            if pace.is_due():
                await pace.step_aside()
        for log in tuple(self._shelf.values()):
            log.trim(now)
            if pace.is_due():
                await pace.step_aside()
        for shelf in (self._shelf, self._unused):
            await self._forget_oldest(shelf, pace)

    def close(self) -> None:
        """Ends every actor. The engine is stopping."""
        for channel in self._live.values():
            channel.close()

    def statistics(self) -> ChannelsStatistics:
        return ChannelsStatistics(
            live=len(self._live),
            shelved=len(self._shelf) + len(self._unused),
            subscriptions=self._subscription_count,
            followers=self._follower_count,
            retained_bytes=self._totals.bytes,
            events=self._totals.appended,
        )

    def watch(self, key: ChannelKey, watcher: Watcher) -> Log:
        """The log, to read; the watcher is told of each append from now on. Meanwhile the topic is not put away."""
        channel = self._open(key)
        channel.watch(watcher)
        return channel.log

    def unwatch(self, key: ChannelKey, watcher: Watcher) -> None:
        """Idempotent, also where the topic is no more."""
        if (channel := self._live.get(key)) is not None:
            channel.unwatch(watcher)

    def is_followed(self, key: ChannelKey) -> bool:
        """Whether somebody is subscribed to the topic or watches it, or an event waits to be added to it."""
        channel = self._live.get(key)
        return channel is not None and not channel.is_deserted

    def is_heard(self, key: ChannelKey) -> bool:
        """Whether an event on the topic would reach somebody now, be it through a topic that is derived from it."""
        channel = self._live.get(key)
        return channel is not None and channel.is_heard

    def _open(self, key: ChannelKey, retention: Retention | None = None) -> Channel:
        """The topic in use, or one made of its log, or a new one. It needs no actor to be read and subscribed to."""
        channel = self._live.get(key)
        if channel is None:
            log = self._take_from_shelf(key) or self._new_log(key, retention)
            channel = self._make(log)
            self._live[key] = channel
            self._keys.add((key.channel, key.owner), key)
            for follower in self._followers_of(key):
                follower.attach(key)
        return channel

    def _make(self, log: Log) -> Channel:
        options = self._options
        if self._keeping is not None and self._keeping.keeps(log.key):
            return KeptChannel(log, self._keeping.journal, self._supervisor, options.in_place)
        return VolatileChannel(log, options.mailbox, self._supervisor, options.in_place)

    def _new_log(self, key: ChannelKey, retention: Retention | None, epoch: str | None = None) -> Log:
        keeping = self._keeping
        if keeping is not None and keeping.keeps(key):
            return Log(key, keeping.window, epoch=epoch, totals=self._totals, pages=keeping.pages)
        kept = retention or self._retention.get(key.channel, Retention())
        return Log(key, kept, epoch=epoch, totals=self._totals)

    def _live_channels(self, follower: Follower) -> Iterator[Channel]:
        """The topics in use that it may see."""
        name, owner = follower.channel, follower.owner
        if owner is None:
            return (channel for key, channel in self._live.items() if key.channel == name)
        return map(self._live.__getitem__, (*self._keys.of((name, "")), *self._keys.of((name, owner))))

    def _followers_of(self, key: ChannelKey) -> tuple[Follower, ...]:
        """Those who may see the topic."""
        found = self._followers.of((key.channel, key.owner))
        return (*found, *self._followers.of((key.channel, None))) if key.owner else tuple(found)

    def _put_away(self, channel: Channel) -> None:
        """An idle one, if it is still there."""
        key = channel.key
        if self._live.get(key) is not channel:
            return
        if not channel.is_deserted:
            if channel.running:
                channel.park_nowait()
            return
        channel.close()
        del self._live[key]
        self._keys.discard((key.channel, key.owner), key)
        shelf = self._shelf if channel.log.tail else self._unused
        shelf[key] = channel.log

    async def _forget_oldest(self, shelf: dict[ChannelKey, Log], pace: Pace) -> None:
        # Found at once: the front of a dict that is emptied from the front takes ever longer to find.
        most = self._options.topics
        for key in tuple(islice(shelf, max(0, len(shelf) - most))):
            # At a pause it may have been taken into use, or others, so that there is room again.
            if key in shelf and len(shelf) > most:
                self.forget(key)
            if pace.is_due():
                await pace.step_aside()
        await trio.lowlevel.checkpoint()

    def _take_from_shelf(self, key: ChannelKey) -> Log | None:
        return self._shelf.pop(key, None) or self._unused.pop(key, None)
