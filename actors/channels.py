"""The directory of topics: opens them on demand, and attaches those who follow a whole channel to each."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping

import msgspec
import trio

from actors.channel import Addition, Channel, Located, Records
from actors.channels_options import ChannelsOptions
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft
from actors.followers import Followers
from actors.keeper import Keeper
from actors.kept_channel import KeptChannel
from actors.kept_topics import Keeping, KeptTopics
from actors.log import Log
from actors.log_totals import LogTotals
from actors.mailbox import Reply
from actors.marks import Marks
from actors.outbox import Outbox
from actors.position import Position
from actors.redaction import Redaction
from actors.resumption import Resumption
from actors.retention import Retention
from actors.spawner import Spawner
from actors.store import Opened, Record, StoredTopic
from actors.subscription import Encoder, Subscription
from actors.topic_factory import TopicFactory
from actors.topic_sweep import TopicSweep
from actors.topic_table import TopicTable
from actors.watcher import Watcher


class ChannelsStatistics(msgspec.Struct, frozen=True):
    live: int
    shelved: int
    subscriptions: int
    followers: int
    retained_bytes: int
    events: int


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
        options = options or ChannelsOptions()
        self._kept = KeptTopics(keeping)
        self._publish_seconds = options.publish_seconds
        self._topics = TopicTable()
        self._live = self._topics.live
        """The same topics: each event looks one of them up."""
        self._totals = LogTotals()
        self._factory = TopicFactory(supervisor, self._kept, retention, options, self._totals)
        self._subscription_count = 0
        self._at_forgotten: dict[str, list[Callable[[ChannelKey], None]]] = {}
        self.keeper: Keeper = self._kept.keeper
        """What is told to it stays in order with the events."""
        self.followers = Followers(self._topics, self._totals)
        self.marks = Marks(self._totals, options.forgotten)
        self.sweep = TopicSweep(self._topics, options.idle_seconds, options.topics, self.forget)

    def exists(self, key: ChannelKey) -> bool:
        return key in self._topics

    def create(self, key: ChannelKey, retention: Retention | None = None) -> Position:
        """Opens a new topic, so that those who follow its channel are there for its first event. That it is open is
        for the caller to keep. `retention`: where it is not that of its channel."""
        return self._open(key, retention).log.position

    def take_up(self, stored: StoredTopic) -> None:
        """A topic that was kept goes on where it ended. Called before anything else is."""
        log = self._factory.make_log(stored.key, epoch=stored.epoch)
        log.take_up(stored.first, stored.tail, stored.last_type, stored.holes)
        self._topics.shelve(log)

    def keeps(self, key: ChannelKey) -> bool:
        """Whether the topic outlives the process."""
        return key in self._kept

    def kept_of(self, channel: str, owner: str) -> list[Log]:
        """The logs of all topics of an owner that are kept, in use or not. None is opened by it."""
        found = (self.peek(key) for key in self._kept.of(channel, owner))
        return [log for log in found if log is not None]

    def let_go(self, key: ChannelKey, offset: int) -> None:
        """What the topic holds up to there is no longer kept."""
        log = self.log(key)
        log.raise_floor(offset)
        self._kept.let_go(key, offset)

    def logs(self) -> Iterator[Log]:
        """Of all topics that have had an event or are in use now. While they are walked over, topics may come and
        go."""
        return self._topics.logs()

    def all_of(self, channel: str) -> list[ChannelKey]:
        """All topics of a channel, in use or not."""
        return [key for key in self._topics if key.channel == channel]

    def log(self, key: ChannelKey) -> Log:
        """The topic's log, to read. A topic never published to has an empty one. For a new name it raises
        CallboardError UNAVAILABLE where too much waits to be kept."""
        return self._open_to_tell(key).log

    def resume(self, key: ChannelKey, since: Position | None) -> Resumption:
        """Where a subscription that has seen `since` will start; at the tail without one. Raises as `log`."""
        return self._open_to_tell(key).log.resume(since)

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

    def origin(self, key: ChannelKey) -> Position:
        """The position before the first event of a topic; a new one is opened."""
        log = self.peek(key)
        return Position(self.create(key).epoch if log is None else log.epoch, 0)

    def peek(self, key: ChannelKey) -> Log | None:
        """The log of a topic, if there is one. Unlike `log` it takes no topic into use."""
        return self._topics.log(key)

    async def publish(self, key: ChannelKey, *drafts: Draft) -> Position:
        """Appends and returns the position.

        Raises CallboardError BUSY when the topic stays full for too long, UNAVAILABLE where nothing can be kept."""
        reply = await self.hand_over(key, *drafts)
        # No deadline from here on: what is in the mailbox will be in the log, and a refusal now would be a lie.
        return await reply.wait()

    async def hand_over(self, key: ChannelKey, *drafts: Draft, located: Located | None = None) -> Reply[Position]:
        """As `publish`, without waiting for the position: the reply brings it, or UNAVAILABLE."""
        with trio.move_on_after(self._publish_seconds):
            return await self.submit(key, *drafts, located=located)
        raise CallboardError(ErrorCode.BUSY, f"{key} takes no more events at the moment", retry_after=1.0)

    async def submit(
        self,
        key: ChannelKey,
        *drafts: Draft,
        records: Records | None = None,
        located: Located | None = None,
        patient: bool = False,
    ) -> Reply[Position]:
        """Hands over, waiting as long as it takes; cancelled meanwhile, nothing is appended. The reply is the position;
        it fails where the events cannot be kept, unless they are `patient`.

        Raises CallboardError NOT_FOUND where the topic is forgotten meanwhile.
        """
        reply: Reply[Position] = Reply()
        try:
            await self._open(key).add(Addition(key, drafts, records, located, reply, patient))
        except trio.BrokenResourceError:
            raise CallboardError(ErrorCode.NOT_FOUND, f"{key} is gone") from None
        return reply

    def emit(self, key: ChannelKey, *drafts: Draft, records: Records | None = None) -> Awaitable[None]:
        """Appends in order, waiting as long as it takes: the back-pressure on those inside the engine."""
        return self._open(key).add(Addition(key, drafts, records))

    async def add(self, *additions: Addition, opened: tuple[Opened, ...] = ()) -> None:
        """As `submit`, all of them as one: what is kept of them is kept together with the topics that are `opened`, or
        none of it is."""
        channels = [self._open(addition.key) for addition in additions]
        pairs = list(zip(channels, additions, strict=True))
        kept = [(channel, addition) for channel, addition in pairs if isinstance(channel, KeptChannel)]
        try:
            await self._kept.add(kept, opened)
            for channel, addition in pairs:
                if not isinstance(channel, KeptChannel):
                    await channel.add(addition)
        except trio.BrokenResourceError:
            keys = ", ".join(str(addition.key) for addition in additions)
            raise CallboardError(ErrorCode.NOT_FOUND, f"{keys}: one of them is gone") from None

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

    def forget(self, key: ChannelKey, *records: Record) -> None:
        """Drops a topic with its log, and in the same step what the records say is no more. Subscribers hear nothing
        more of it."""
        channel = self._topics.take_live(key)
        log = self._topics.take_shelved(key) if channel is None else channel.log
        if channel is not None:
            self._subscription_count -= channel.subscribers
            channel.close()
        if log is not None:
            self.followers.detach(key)
            self.marks.forgotten.note(log)
            log.abandon()
        if log is None or not self.keeps(key):
            self.keeper.note(*records)
        else:
            self._kept.note_forgotten(key, records)
        for action in self._at_forgotten.get(key.channel, ()):
            action(key)

    def at_forgotten(self, channel: str, action: Callable[[ChannelKey], None]) -> None:
        """Calls it with each topic of that channel that is forgotten."""
        self._at_forgotten.setdefault(channel, []).append(action)

    def revive(self) -> None:
        """The supervisor has lost its children and runs again: starts the actors that have something to do.

        A single crash is the supervisor's to mend; this is for its own.
        """
        for channel in self._live.values():
            channel.running = False
            if channel.has_work:
                channel.wake()

    def close(self) -> None:
        """Ends every actor. The engine is stopping."""
        for channel in self._live.values():
            channel.close()

    def statistics(self) -> ChannelsStatistics:
        return ChannelsStatistics(
            live=len(self._live),
            shelved=self._topics.shelved,
            subscriptions=self._subscription_count,
            followers=len(self.followers),
            retained_bytes=self._totals.bytes,
            events=self._totals.appended - self._totals.taken_up,
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

    def furthest(self, key: ChannelKey) -> int:
        """The last event of the topic that any of its subscribers was sent; 0 without one."""
        channel = self._live.get(key)
        return 0 if channel is None else channel.furthest

    def is_heard(self, key: ChannelKey) -> bool:
        """Whether an event on the topic would reach somebody now, be it through a topic that is derived from it."""
        channel = self._live.get(key)
        return channel is not None and channel.is_heard

    def _open_to_tell(self, key: ChannelKey) -> Channel:
        """As `_open`, where a position is going to be told, be it before the first event. Raises as `log`."""
        if self.peek(key) is None and self.keeps(key):
            self.keeper.check_backlog()
            self._kept.note_opened(self._open(key).log)
        return self._open(key)

    def _open(self, key: ChannelKey, retention: Retention | None = None) -> Channel:
        """The topic in use, or one made of its log, or a new one. It needs no actor to be read and subscribed to."""
        channel = self._live.get(key)
        if channel is None:
            log = self._topics.take_shelved(key) or self._factory.make_log(key, retention)
            channel = self._factory.make_channel(log)
            self._topics.add(channel)
            self.followers.attach(key)
        return channel
