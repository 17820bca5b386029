"""The directory of topics: opens them on demand, puts the idle away, attaches those who follow a whole channel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
import trio

from actors.channel import Channel
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, now_ms
from actors.log import Log, Resumption, Retention
from actors.mailbox import Reply
from actors.outbox import Encoder, Outbox, Subscription
from actors.position import Position
from actors.spawner import Spawner


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


class ChannelsStatistics(msgspec.Struct, frozen=True):
    live: int
    shelved: int
    subscriptions: int
    followers: int
    retained_bytes: int
    events: int


class Follower(msgspec.Struct, frozen=True, eq=False):
    """Somebody who follows every topic of a channel that it may see, also those to come."""

    channel: str
    sees: Callable[[ChannelKey], bool]
    attach: Callable[[ChannelKey], None]
    detach: Callable[[ChannelKey], None]
    """The topic is no more. What the follower lags behind with it may still read."""


class Channels:
    """All topics of the engine. Sync but for publishing: one task at a time runs, so a decision needs no lock."""

    def __init__(
        self, supervisor: Spawner, retention: Mapping[str, Retention], options: ChannelsOptions | None = None
    ) -> None:
        self._supervisor = supervisor
        self._retention = retention
        self._options = options or ChannelsOptions()
        self._live: dict[ChannelKey, Channel] = {}
        self._shelf: dict[ChannelKey, Log] = {}
        self._unused: dict[ChannelKey, Log] = {}
        """Shelved without ever having had an event. Apart, so that who asks for many names drives no real log out."""
        self._followers: dict[str, dict[Follower, None]] = {}
        self._retired_events = 0

    def exists(self, key: ChannelKey) -> bool:
        return key in self._live or key in self._shelf or key in self._unused

    def create(self, key: ChannelKey) -> Position:
        """Opens a new topic, so that those who follow its channel are there for its first event."""
        return self._open(key).log.position

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
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Idempotent, also where the topic is no more."""
        channel = self._live.get(subscription.log.key)
        if channel is not None:
            channel.unsubscribe(subscription)
        else:
            subscription.outbox.forget(subscription)

    def follow(self, follower: Follower) -> None:
        """Attaches the follower to every live topic it may see, and to each that opens later."""
        self._followers.setdefault(follower.channel, {})[follower] = None
        for key in tuple(self._live):
            if key.channel == follower.channel and follower.sees(key):
                follower.attach(key)

    def unfollow(self, follower: Follower) -> None:
        group = self._followers.get(follower.channel, {})
        group.pop(follower, None)
        if not group:
            self._followers.pop(follower.channel, None)

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

    def forget(self, key: ChannelKey) -> None:
        """Drops a topic with its log. Subscribers hear nothing more of it."""
        channel = self._live.pop(key, None)
        log = self._take_from_shelf(key) if channel is None else channel.log
        if channel is not None:
            channel.close()
            for follower in tuple(self._followers.get(key.channel, ())):
                follower.detach(key)
        if log is not None:
            self._retired_events += log.tail

    def revive(self) -> None:
        """The supervisor has lost its children and runs again: starts the actors that have something to do.

        A single crash is the supervisor's to mend; this is for its own.
        """
        for channel in self._live.values():
            channel.running = False
            if channel.has_work:
                channel.start()

    def sweep(self) -> None:
        """Puts idle topics away, drops what is too old, forgets beyond the limit. Called now and then."""
        now, horizon = now_ms(), trio.current_time() - self._options.idle_seconds
        for key, channel in tuple(self._live.items()):
            channel.log.trim(now)
            if channel.last_active >= horizon:
                continue
            if channel.is_deserted:
                self._shelve(key, channel)
            elif channel.running:
                channel.park_nowait()
        for log in self._shelf.values():
            log.trim(now)

    def close(self) -> None:
        """Ends every actor. The engine is stopping."""
        for channel in self._live.values():
            channel.close()

    def statistics(self) -> ChannelsStatistics:
        each = [channel.statistics() for channel in self._live.values()]
        shelved = [log.statistics() for log in self._shelf.values()]
        return ChannelsStatistics(
            live=len(self._live),
            shelved=len(self._shelf) + len(self._unused),
            subscriptions=sum(channel.subscribers for channel in each),
            followers=sum(map(len, self._followers.values())),
            retained_bytes=sum(c.retained_bytes for c in each) + sum(log.bytes for log in shelved),
            events=sum(c.tail for c in each) + sum(log.tail for log in shelved) + self._retired_events,
        )

    def _open(self, key: ChannelKey) -> Channel:
        """The topic in use, or one made of its log, or a new one. It needs no actor to be read and subscribed to."""
        channel = self._live.get(key)
        if channel is None:
            log = self._take_from_shelf(key) or Log(key, self._retention.get(key.channel, Retention()))
            channel = Channel(log, self._options.mailbox, self._supervisor, self._options.in_place)
            self._live[key] = channel
            for follower in tuple(self._followers.get(key.channel, ())):
                if follower.sees(key):
                    follower.attach(key)
        return channel

    def _shelve(self, key: ChannelKey, channel: Channel) -> None:
        channel.close()
        del self._live[key]
        shelf = self._shelf if channel.log.tail else self._unused
        shelf[key] = channel.log
        while len(shelf) > self._options.topics:
            self.forget(next(iter(shelf)))

    def _take_from_shelf(self, key: ChannelKey) -> Log | None:
        return self._shelf.pop(key, None) or self._unused.pop(key, None)
