"""Those who follow every topic of a channel that they may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from actors.event import ChannelKey
from actors.groups import Groups


class Follower(msgspec.Struct, frozen=True, eq=False):
    """Somebody who follows every topic of a channel that it may see, also those to come.

    These are the topics of `owner` and those of everybody; all of them where `owner` is None.
    """

    channel: str
    owner: str | None
    attach: Callable[[ChannelKey], None]
    detach: Callable[[ChannelKey], None]
    """The topic is no more. What the follower lags behind with it may still read."""

    def seen_of(self, keys: Iterable[ChannelKey], owned: Groups[tuple[str, str], ChannelKey]) -> tuple[ChannelKey, ...]:
        """Those of the topics that it may see. `owned`: the same by channel and owner."""
        name, owner = self.channel, self.owner
        if owner is None:
            return tuple(key for key in keys if key.channel == name)
        return (*owned.of((name, "")), *(owned.of((name, owner)) if owner else ()))


class Followers:
    """All of them, found by the topics that they may see."""

    def __init__(self) -> None:
        self._groups: Groups[tuple[str, str | None], Follower] = Groups()
        """By channel and what they see; under the owner of everybody's topics all who follow the channel."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, follower: Follower) -> None:
        self._groups.add((follower.channel, ""), follower)
        self._groups.add((follower.channel, follower.owner), follower)
        self._count += 1

    def discard(self, follower: Follower) -> None:
        """Idempotent."""
        self._count -= self._groups.discard((follower.channel, ""), follower)
        self._groups.discard((follower.channel, follower.owner), follower)

    def of(self, key: ChannelKey) -> tuple[Follower, ...]:
        """Those who may see the topic."""
        found = self._groups.of((key.channel, key.owner))
        return (*found, *self._groups.of((key.channel, None))) if key.owner else tuple(found)
