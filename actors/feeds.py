"""The directory of feeds."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import trio

from actors.channels import Channels, Follower
from actors.childspec import ChildSpec, Restart
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey
from actors.feed import Feed, Projection
from actors.log import Retention
from actors.redaction import TaskRedaction
from actors.spawner import Spawner, spawn
from actors.task_events import is_over

FEED_CHANNEL = "feed"
"""No client can name this channel: a feed is reached through the dialect whose feed it is."""


class FeedsOptions(msgspec.Struct, frozen=True):
    """`feeds`: kept at once; beyond it the one opened first that nobody follows is given up."""

    feeds: int = 10_000


class Feeds:
    """All feeds of the engine."""

    def __init__(self, supervisor: Spawner, channels: Channels, options: FeedsOptions | None = None) -> None:
        self._supervisor = supervisor
        self._channels = channels
        self._options = options or FeedsOptions()
        self._feeds: dict[ChannelKey, Feed] = {}
        self._followers: dict[ChannelKey, dict[str, Follower]] = {}

    def __len__(self) -> int:
        return len(self._feeds)

    def open(self, key: ChannelKey, retention: Retention, make: Callable[[], Projection]) -> Feed:
        """The feed of that name; `make` makes its projection where it is new. Raises CallboardError BUSY."""
        feed = self._feeds.get(key)
        if feed is None:
            if len(self._feeds) >= self._options.feeds:
                self._give_up_one()
            self._channels.create(key, retention)
            feed = Feed(key, self._channels, make())
            spawn(self._supervisor, ChildSpec(f"feed {key.topic}", feed.run, Restart.TRANSIENT))
            self._feeds[key] = feed
        return feed

    def follow(self, feed: Feed, channel: str, owner: str, *, replay: bool = False) -> None:
        """Makes all that `owner` has and will have in that channel a source, from now on. Idempotent.

        With `replay` the topics that are in use now are read from their oldest event on.
        """
        followers = self._followers.setdefault(feed.key, {})
        if channel in followers:
            return

        def attach(source: ChannelKey) -> None:
            log = self._channels.log(source)
            if is_over(log) and (not replaying or log.first > log.tail):
                # There is nothing to be read, and nothing would ever end the reading.
                return
            feed.reader.add(source, log.replay() if replaying else log.resume(None))

        follower = Follower(channel, owner, attach, feed.reader.remove)
        followers[channel] = follower
        replaying = replay
        self._channels.follow(follower)
        # A task that has ended and is looked up again later has been read before.
        replaying = False

    async def redact(self, owner: str, redaction: TaskRedaction) -> None:
        """Takes back what the owner's feeds have said of a task of that owner."""
        await trio.lowlevel.checkpoint()
        for feed in [feed for key, feed in self._feeds.items() if key.owner == owner]:
            await feed.redact(redaction)

    def revive(self) -> None:
        """The supervisor has lost its children and runs again: starts the feeds' actors."""
        for feed in self._feeds.values():
            spawn(self._supervisor, ChildSpec(f"feed {feed.key.topic}", feed.run, Restart.TRANSIENT))

    def _give_up_one(self) -> None:
        idle = next((key for key in self._feeds if not self._channels.is_followed(key)), None)
        if idle is None:
            raise CallboardError(ErrorCode.BUSY, f"{len(self._feeds)} feeds are in use", retry_after=5.0)
        self._feeds.pop(idle).close()
        for follower in self._followers.pop(idle, {}).values():
            self._channels.unfollow(follower)
        self._channels.forget(idle)
