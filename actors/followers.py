"""Those who follow whole channels: attached to each topic that opens, and what they find there when they come."""

from __future__ import annotations

from actors.event import ChannelKey
from actors.follower import Follower
from actors.groups import Groups
from actors.log import Log
from actors.log_totals import LogTotals
from actors.topic_table import TopicTable


class Followers:
    """All of them, found by the topics that they may see."""

    def __init__(self, topics: TopicTable, totals: LogTotals) -> None:
        self._topics = topics
        self._totals = totals
        self._groups: Groups[tuple[str, str | None], Follower] = Groups()
        """By channel and what they see; under the owner of everybody's topics all who follow the channel."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def follow(self, follower: Follower) -> None:
        """Attaches the follower to every live topic it may see, and to each that opens later."""
        self.follow_what_comes(follower)
        for key in self._topics.live_of(follower):
            follower.attach(key)

    def follow_what_comes(self, follower: Follower) -> None:
        """Attaches the follower to each topic that opens from now on."""
        self._groups.add((follower.channel, ""), follower)
        self._groups.add((follower.channel, follower.owner), follower)
        self._count += 1

    def unfollow(self, follower: Follower) -> None:
        """Idempotent."""
        self._count -= self._groups.discard((follower.channel, ""), follower)
        self._groups.discard((follower.channel, follower.owner), follower)

    def to_follow(self, follower: Follower, number: int) -> tuple[ChannelKey, ...]:
        """The live topics it may see; where there have been events since there were so many, also those on the shelf,
        which may hold some of them."""
        away = self._topics.shelved_of(follower) if number < self._totals.appended else ()
        return (*self._topics.live_of(follower), *away)

    def log_to_follow(self, key: ChannelKey, number: int) -> Log | None:
        """The log of a topic that is live, or has had something since there were so many events."""
        channel = self._topics.live.get(key)
        if channel is not None:
            return channel.log
        log = self._topics.shelf.get(key)
        return log if log is not None and log.newest > number else None

    def attach(self, key: ChannelKey) -> None:
        """The topic is open: tells those who may see it."""
        for follower in self._of(key):
            follower.attach(key)

    def detach(self, key: ChannelKey) -> None:
        """The topic is no more: tells those who may see it."""
        for follower in self._of(key):
            follower.detach(key)

    def _of(self, key: ChannelKey) -> tuple[Follower, ...]:
        found = self._groups.of((key.channel, key.owner))
        return (*found, *self._groups.of((key.channel, None))) if key.owner else tuple(found)
