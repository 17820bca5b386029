"""The directory of feeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial

import msgspec
import trio

from actors.channels import Channels
from actors.childspec import ChildSpec, Restart
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, now_ms
from actors.feed import Feed
from actors.feed_record import used, used_at
from actors.follower import Follower
from actors.log import Log
from actors.projection import Projection
from actors.redaction import Drop, TaskRedaction
from actors.retention import Retention
from actors.spawner import Spawner, spawn
from actors.store import Opened, Store, StoreError
from actors.task_events import is_over

FEED_CHANNEL = "feed"
"""No client can name this channel: a feed is reached through the dialect whose feed it is."""


_SWEEP_SECONDS = 3600.0


class FeedsOptions(msgspec.Struct, frozen=True):
    """`feeds`: open at once; beyond it the one opened first that nobody follows is given up. `kept_seconds`: one of a
    known name that nobody has used for so long is forgotten."""

    feeds: int = 10_000
    kept_seconds: float = 30 * 24 * 3600.0


class Feeds:
    """All feeds of the engine."""

    def __init__(
        self,
        supervisor: Spawner,
        channels: Channels,
        options: FeedsOptions | None = None,
        store: Store | None = None,
    ) -> None:
        """`store`: where the feeds are kept, if their channel is."""
        self._supervisor = supervisor
        self._channels = channels
        self._options = options or FeedsOptions()
        self._store = store
        self._feeds: dict[ChannelKey, Feed] = {}
        self._followers: dict[ChannelKey, dict[str, Follower]] = {}
        self._made: dict[str, Callable[[], Projection]] = {}
        self._open_for: dict[str, Callable[[str], object]] = {}
        self._counts_use = True
        self._next_sweep = -math.inf
        channels.at_forgotten(FEED_CHANNEL, self._close)

    def __len__(self) -> int:
        return len(self._feeds)

    def open(self, key: ChannelKey, retention: Retention, make: Callable[[], Projection]) -> Feed:
        """The feed of that name; `make` makes its projection where it is new, or was given up. Raises CallboardError
        BUSY, and UNAVAILABLE where too much waits to be kept."""
        feed = self._feeds.get(key)
        if feed is None:
            self._channels.keeper.check_backlog()
            if len(self._feeds) >= self._options.feeds:
                self._give_up_one()
            store = self._store if self._channels.keeps(key) else None
            is_new = store is None or not self._channels.exists(key)
            opened = Opened(key, self._channels.create(key, retention).epoch)
            feed = Feed(key, self._channels, make(), retention, store, is_new=is_new)
            if store is not None and is_new:
                # Before anything that it is to tell.
                self._channels.keeper.note(opened=(opened,))
            self._start(feed)
            self._feeds[key] = feed
        feed.trim()
        if self._counts_use:
            feed.note_use(now_ms())
        return feed

    def beginning(self) -> AbstractContextManager[None]:
        """Within it, in one step, a feed is opened and given what it is made of. All of that is kept as one: a feed
        that is there after a fall of the engine misses nothing from where it began."""
        return self._channels.keeper.together()

    def find(self, key: ChannelKey) -> Feed | None:
        """One that is open."""
        return self._feeds.get(key)

    def is_away(self, key: ChannelKey) -> bool:
        """Whether it is kept, and not open."""
        return key not in self._feeds and self._channels.keeps(key) and self._channels.exists(key)

    def know(self, topic: str, make: Callable[[], Projection], open_for: Callable[[str], object] | None = None) -> None:
        """How the projections of the feeds of that name are made, one for each user: what is taken back is taken back
        in the feeds, too, that nobody has opened; and those that nobody uses are forgotten after a time. `open_for`
        opens that of an owner."""
        self._made[topic] = make
        if open_for is not None:
            self._open_for[topic] = open_for

    def follow(self, feed: Feed, channel: str, owner: str, *, replay: bool = False) -> None:
        """Makes all that `owner` has and will have in that channel a source, from now on. Idempotent.

        With `replay` the topics that are in use now are read from their oldest event on.
        """
        followers = self._followers.setdefault(feed.key, {})
        if channel in followers:
            return
        standing = self._channels.kept_of(channel, owner) if feed.is_kept else []
        known = {log.key: log.tail for log in standing if is_over(log) or not replay}
        replaying = False

        def attach(source: ChannelKey) -> None:
            log = self._channels.log(source)
            feed.attach(source, log.replay() if replaying else log.resume(None))

        def begin() -> None:
            nonlocal replaying
            if self._followers.get(feed.key) is not followers:
                return
            if feed.is_kept and not feed.has_begun(channel):
                feed.begin(channel, known)
            replaying = replay
            self._channels.followers.follow(follower)
            # A task that has ended and is looked up again later has been read before.
            replaying = False
            for log in self._channels.kept_of(channel, owner) if feed.is_kept else ():
                if feed.is_unread(log):
                    attach(log.key)

        follower = Follower(channel, owner, attach, feed.forget)
        followers[channel] = follower
        feed.at_ready(begin)

    async def redact(self, owner: str, redaction: TaskRedaction) -> None:
        """Takes back what the owner's feeds have said of a task of that owner."""
        await trio.lowlevel.checkpoint()
        for feed in [feed for key, feed in self._feeds.items() if key.owner == owner]:
            await feed.redact(redaction)
        for key in [log.key for log in self._channels.kept_of(FEED_CHANNEL, owner)]:
            make = self._made.get(key.topic)
            if make is not None and key not in self._feeds:
                await self._channels.redact(key, Drop(make().redact(redaction)))

    async def take_in(self, log: Log) -> None:
        """Returns once the feeds of the topic's owner have all of it, those that are kept and away, too: what it leaves
        behind would not be enough for them. Raises CallboardError BUSY and UNAVAILABLE where that cannot be now."""
        await trio.lowlevel.checkpoint()
        for key in [each.key for each in self._channels.kept_of(FEED_CHANNEL, log.key.owner)]:
            open_for = self._open_for.get(key.topic)
            if open_for is None:
                continue
            if key not in self._feeds:
                self._open_unused(open_for, key.owner)
            feed = self._feeds.get(key)
            if feed is not None:
                await feed.ready()
                await feed.catch_up(log.key, log.tail)
                if feed.reader.is_behind(log.key, log.tail):
                    raise CallboardError(ErrorCode.BUSY, f"{key} is behind", retry_after=5.0)

    def _open_unused(self, open_for: Callable[[str], object], owner: str) -> None:
        """Its user has not come: it ages on."""
        self._counts_use = False
        try:
            open_for(owner)
        finally:
            self._counts_use = True

    def forget(self, key: ChannelKey) -> None:
        """The feed is no more, with all that is kept of it. Idempotent."""
        if key in self._feeds or self._channels.exists(key):
            self._channels.forget(key)

    async def round(self, now: float) -> None:
        """Called again and again, with trio's time: looks now and then for what nobody uses any more."""
        await trio.lowlevel.checkpoint()
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_SECONDS
            # What cannot be read now can be by the next time.
            with suppress(StoreError):
                await self.sweep(now_ms())

    async def sweep(self, now: int) -> None:
        """Forgets what nobody has used for too long, as of that time in Unix milliseconds. Raises
        actors.store.StoreError."""
        oldest = now - self._options.kept_seconds * 1000
        for key in [key for key in self._channels.all_of(FEED_CHANNEL) if key.topic in self._made]:
            kept = await self._kept_use(key)
            # Somebody may have come meanwhile.
            feed = self._feeds.get(key)
            if self._channels.is_followed(key):
                if feed is not None:
                    feed.note_use(now)
            elif max(kept, 0 if feed is None else feed.used_at) < oldest:
                if kept or feed is not None:
                    self.forget(key)
                else:
                    self._channels.keeper.note(used(key, now))

    async def _kept_use(self, key: ChannelKey) -> int:
        await trio.lowlevel.checkpoint()
        return 0 if self._store is None else await used_at(key, self._store)

    def revive(self) -> None:
        """The supervisor has lost its children and runs again: starts the feeds' actors."""
        for feed in self._feeds.values():
            # Where the supervisor takes nobody it is being restarted again, and this comes again after it.
            with suppress(CallboardError):
                self._start(feed)

    def _start(self, feed: Feed) -> None:
        body = partial(feed.alone.run, feed.run)
        spawn(self._supervisor, ChildSpec(f"feed {feed.key.topic}", body, Restart.TRANSIENT))

    def _give_up_one(self) -> None:
        idle = next((key for key in self._feeds if not self._channels.is_followed(key)), None)
        if idle is None:
            raise CallboardError(ErrorCode.BUSY, f"{len(self._feeds)} feeds are in use", retry_after=5.0)
        if self._channels.keeps(idle):
            self._close(idle)
        else:
            self._channels.forget(idle)

    def _close(self, key: ChannelKey) -> None:
        """Idempotent."""
        feed = self._feeds.pop(key, None)
        if feed is not None:
            feed.close()
        for follower in self._followers.pop(key, {}).values():
            self._channels.followers.unfollow(follower)
