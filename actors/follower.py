"""One who follows every topic of a channel that it may see."""

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
