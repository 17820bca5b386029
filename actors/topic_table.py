"""Which topics there are: those in use, those on the shelf, and those on it that never had an event."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from actors.channel import Channel
from actors.event import ChannelKey
from actors.follower import Follower
from actors.groups import Groups
from actors.log import Log
from actors.shelf import Shelf


class TopicTable:
    """Every topic stands in one of the three places."""

    def __init__(self) -> None:
        self.live: dict[ChannelKey, Channel] = {}
        """Those in use, to look them up."""
        self.shelf = Shelf()
        self.unused = Shelf()
        """Shelved without ever having had an event. Apart, so that who asks for many names drives no real log out."""
        self._live_keys: Groups[tuple[str, str], ChannelKey] = Groups()
        """Those in use by channel and owner."""

    def __contains__(self, key: ChannelKey) -> bool:
        return key in self.live or key in self.shelf or key in self.unused

    def __iter__(self) -> Iterator[ChannelKey]:
        return chain(self.live, self.shelf, self.unused)

    @property
    def shelved(self) -> int:
        return len(self.shelf) + len(self.unused)

    def log(self, key: ChannelKey) -> Log | None:
        """The log of a topic, which stays where it is."""
        live = self.live.get(key)
        return (self.shelf.get(key) or self.unused.get(key)) if live is None else live.log

    def logs(self) -> Iterator[Log]:
        """Of all topics that have had an event or are in use now. While they are walked over, topics may come and
        go."""
        live, shelved = tuple(self.live.values()), self.shelf.logs()
        return chain((channel.log for channel in live), shelved)

    def live_of(self, follower: Follower) -> tuple[ChannelKey, ...]:
        """Those in use that it may see."""
        return follower.seen_of(self.live, self._live_keys)

    def shelved_of(self, follower: Follower) -> tuple[ChannelKey, ...]:
        """Those on the shelf that it may see, but for those that never had an event."""
        return follower.seen_of(self.shelf, self.shelf.keys)

    def add(self, channel: Channel) -> None:
        """The topic is in use."""
        key = channel.key
        self.live[key] = channel
        self._live_keys.add((key.channel, key.owner), key)

    def shelve(self, log: Log) -> None:
        """The topic is not in use."""
        shelf = self.shelf if log.tail else self.unused
        shelf.put(log)

    def take_live(self, key: ChannelKey) -> Channel | None:
        """The topic is not in use any more, if it was."""
        channel = self.live.pop(key, None)
        if channel is not None:
            self._live_keys.discard((key.channel, key.owner), key)
        return channel

    def take_shelved(self, key: ChannelKey) -> Log | None:
        """The topic is on the shelf no more, if it was."""
        return self.shelf.take(key) or self.unused.take(key)
