"""A client's hold on a whole channel: which topics are taken up, and where."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping
from functools import partial
from typing import Protocol

from actors.admission import Admission, admit, admit_at
from actors.event import ChannelKey
from actors.follower import Follower
from actors.pace import walk
from actors.principal import Principal
from actors.router import Router
from actors.subscription import Subscription


class Holder(Protocol):
    """The connection whose hold it is."""

    @property
    def held(self) -> Mapping[ChannelKey, Subscription]:
        """What it is subscribed to now."""
        ...

    def sees(self, key: ChannelKey) -> bool:
        """Whether the client may see the topic now."""
        ...

    def subscribe(self, admission: Admission) -> None:
        """As admitted."""
        ...

    def forget(self, key: ChannelKey) -> None:
        """The topic is no more: nothing comes, and what still waits in the outbox is sent."""
        ...


class Following:
    """Takes up each topic of the channel as it opens; and those that there are, once it is told from where on.

    While it catches up, a topic is taken up where it stood at the mark; but those that are placed are where they are
    to be already.
    """

    __slots__ = ("_holder", "_is_over", "_number", "_placed", "_router", "follower")

    def __init__(self, holder: Holder, router: Router, channel: str, principal: Principal) -> None:
        self.follower = Follower(channel, principal.sight, self._attach, holder.forget)
        self._holder = holder
        self._router = router
        self._number: int | None = None
        """How many events there were at the mark."""
        self._placed: set[ChannelKey] = set()
        self._is_over = False

    def catch_up(self, principal: Principal, whole: Admission, placed: Iterable[ChannelKey]) -> Awaitable[None] | None:
        """Takes every topic up where it stood at the mark, but those that are placed. Where they are very many, what is
        returned takes up the rest of them: it is to be awaited."""
        number = whole.start.offset
        self._number, self._placed = number, set(placed)
        if whole.key.channel == "task":
            # A task that waits for an answer may have been put away for lack of watchers.
            for key in self._router.tasks.asking(principal):
                self._attach(key)
        keys = self._router.channels.followers.to_follow(self.follower, number)
        rest = walk(keys, partial(self._take_up, number, whole.live))
        if rest is not None:
            return self._end_after(rest)
        self._end()
        return None

    def close(self) -> None:
        """Takes up nothing more."""
        self._router.channels.followers.unfollow(self.follower)
        self._is_over = True

    def _attach(self, key: ChannelKey) -> None:
        """The limit is for topics named: one who asks for all gets all."""
        if key in self._holder.held or not self._holder.sees(key):
            return
        if self._number is None:
            self._holder.subscribe(admit(self._router, key, "live", named=False))
        else:
            self._placed.add(key)
            begin = self._router.log(key).resume_at(self._number)
            self._holder.subscribe(admit_at(self._router, key, begin, named=False, live=True))

    def _take_up(self, number: int, live: bool, key: ChannelKey) -> None:
        """One that is held already goes back if the client has asked for what was before; it is not moved forward."""
        if self._is_over or key in self._placed or not self._holder.sees(key):
            return
        log = self._router.channels.followers.log_to_follow(key, number)
        if log is None:
            return
        begin = log.resume_at(number)
        subscription = self._holder.held.get(key)
        if subscription is None or (not live and subscription.offset > begin.offset):
            admission = admit_at(self._router, key, begin, named=False, live=False)
            # Taken off the shelf for that, it was attached as every topic that opens.
            if key not in self._placed:
                self._holder.subscribe(admission)

    def _end(self) -> None:
        """It has caught up: what opens from now on is new."""
        self._number, self._placed = None, set()

    async def _end_after(self, rest: Awaitable[None]) -> None:
        await rest
        self._end()
