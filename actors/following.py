"""A client's hold on a whole channel."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable

from actors.event import ChannelKey
from actors.followers import Follower


class Following:
    """Follows the channel's topics as they open.

    While it catches up, each topic is taken up where it stood when there were `number` events; but those that are
    `placed` are where they are to be already.
    """

    __slots__ = ("follower", "number", "placed")

    def __init__(self, follower: Follower) -> None:
        self.follower = follower
        self.number: int | None = None
        self.placed: set[ChannelKey] = set()

    def begin(self, number: int, placed: Iterable[ChannelKey]) -> None:
        self.number, self.placed = number, set(placed)

    def end(self) -> None:
        """It has caught up: what opens from now on is new."""
        self.number, self.placed = None, set()

    async def end_after(self, rest: Awaitable[None]) -> None:
        await rest
        self.end()
