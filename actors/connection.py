"""One client's connection: who it is, what it is subscribed to, and the outbox that all of it leaves by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

import trio

from actors.addresses import check_channel, system_keys
from actors.admission import (
    WHOLE,
    Admission,
    admit,
    admit_to_all,
    admit_to_end,
    held,
    standing,
)
from actors.commands import Start
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.event import ChannelKey, Event
from actors.following import Following
from actors.outbox import Outbox
from actors.pace import walk
from actors.position import Position
from actors.principal import Principal
from actors.router import Router
from actors.subscription import Encoder, Subscription

_MOST_BEHIND = 256
"""Topics whose places one reply tells, beside those that were asked for."""


class Connection:
    """One client. A topic held by name and through its whole channel is delivered once."""

    __slots__ = (
        "__weakref__",
        "_encoder",
        "_following",
        "_leaving",
        "_max",
        "_named",
        "_router",
        "close",
        "device_id",
        "held",
        "outbox",
        "principal",
    )

    def __init__(
        self,
        router: Router,
        outbox: Outbox,
        encoder: Encoder,
        close: Callable[[CloseCode, str], None],
        max_subscriptions: int,
    ) -> None:
        self.principal: Principal | None = None
        self.device_id = ""
        self.outbox = outbox
        self.close = close
        """Ends the connection in good order, telling the client why. Never blocks; idempotent."""
        self._router = router
        self._encoder = encoder
        self._max = max_subscriptions
        self.held: dict[ChannelKey, Subscription] = {}
        """What it is subscribed to now, by name or through a whole channel."""
        self._named: set[ChannelKey] = set()
        self._following: dict[str, Following] = {}
        """The channels held whole. The system channel's topics are few and fixed: it is not followed as they open."""
        self._leaving: dict[ChannelKey, Callable[[Position], None]] | None = None
        """Who is to be told where a subscription ended. Made when there is somebody: most connections have none."""

    @property
    def subscriptions(self) -> int:
        return len(self.held)

    def admit(
        self,
        channel: str,
        starts: dict[str, Start],
        *,
        everything: bool,
        snapshots: Mapping[str, Event] | None = None,
    ) -> tuple[Admission, ...]:
        """What a subscription to these topics would start with; with `everything` also to the rest of the channel, from
        the mark that `starts` has for WHOLE, or from now on.

        A topic of `snapshots` that was asked for without a position, or where events after it are missing, starts with
        its snapshot. Raises CallboardError, and changes nothing.
        """
        check_channel(channel)
        principal = self._require_principal()
        follows = everything and channel != "system"
        keys: dict[ChannelKey, Start] = {}
        others: list[Admission] = []
        if everything and not follows:
            keys.update(dict.fromkeys(system_keys(principal), "live"))
        for topic, start in starts.items():
            if follows and topic == WHOLE:
                continue
            try:
                keys[self._router.resolve(principal, channel, topic)] = start
            except CallboardError as error:
                # Who follows all of a channel may come back with the position of a topic that is gone meanwhile.
                if not everything or error.code is not ErrorCode.NOT_FOUND:
                    raise
                if (over := admit_to_end(self._router, principal, channel, topic, start)) is not None:
                    others.append(over)
        # Those that it names already count once. Mostly all together are too few for that to matter.
        if len(self._named) + len(keys) > self._max and len(self._named | keys.keys()) > self._max:
            raise CallboardError(ErrorCode.RATE_LIMITED, f"a connection holds at most {self._max} subscriptions")
        if follows:
            others.append(admit_to_all(self._router, principal, channel, starts))
        taken = snapshots or {}
        chosen = [
            self._admission(key, start, named=not everything, snapshot=taken.get(key.topic))
            for key, start in keys.items()
        ]
        return (*chosen, *others)

    def enter(self, channel: str, admissions: Iterable[Admission], *, everything: bool) -> Awaitable[None] | None:
        """Subscribes as admitted. The reply has been put into the outbox before.

        Where there are very many topics, what is returned subscribes to the rest of them: it is to be awaited. What
        they say meanwhile comes then.
        """
        whole: Admission | None = None
        placed: set[ChannelKey] = set()
        for admission in admissions:
            if admission.key.topic == WHOLE:
                whole = admission
            elif not admission.over:
                self.subscribe(admission)
                placed.add(admission.key)
        if not everything:
            return None
        is_new = channel not in self._following
        if is_new:
            self._follow(channel)
        if whole is None:
            return None
        self._tell(whole)
        if not is_new and whole.live:
            return None
        return self._following[channel].catch_up(self._require_principal(), whole, placed)

    def is_following(self, channel: str) -> bool:
        """Whether the channel is held whole, and topics are followed as they open."""
        return channel in self._following and channel != "system"

    async def standing(self, channel: str) -> tuple[Admission, ...]:
        """How far the client was sent a channel that it follows: the mark of now, and the topics that stand before it.
        None at all where these are too many to be told."""
        await trio.lowlevel.checkpoint()
        mark = admit_to_all(self._router, self._require_principal(), channel, {})
        behind: dict[ChannelKey, Admission] = {}

        def look(subscription: Subscription) -> None:
            if subscription.is_behind and len(behind) <= _MOST_BEHIND:
                behind[subscription.log.key] = standing(subscription)

        of_channel = [subscription for key, subscription in self.held.items() if key.channel == channel]
        if (rest := walk(of_channel, look)) is not None:
            await rest
        # What lags of a topic that was forgotten is not held any more, and still sent.
        for subscription in self.outbox.lagging:
            if subscription.log.key.channel == channel:
                look(subscription)
        return (mark, *behind.values()) if len(behind) <= _MOST_BEHIND else ()

    def admission(self, key: ChannelKey, start: Start, snapshot: Event | None = None) -> Admission:
        """What a subscription to a topic that its dialect has found for the client would start with. Nothing is checked
        and nothing changes; `hold` subscribes, in the same step."""
        return self._admission(key, start, named=True, snapshot=snapshot)

    def subscribe(self, admission: Admission) -> None:
        """As admitted."""
        key = admission.key
        if admission.named:
            self._named.add(key)
        there = self.held.get(key)
        # Where it is held already it goes on where it is, and what the snapshot holds may come behind it.
        goes_on = there is not None and (admission.live or there.offset == admission.start.offset)
        if goes_on and not admission.snapshot:
            return
        if not goes_on:
            self._drop(key)
        self._tell(admission)
        if not goes_on:
            self.held[key] = self._router.channels.subscribe(key, self.outbox, self._encoder, admission.start)

    def hold(self, admission: Admission, left: Callable[[Position], None] | None = None) -> None:
        """Subscribes as told. The reply that names the start has been put into the outbox before.

        `left` is told once, when the subscription ends, which event was the last that the client was sent.
        """
        self.subscribe(admission)
        if left is not None:
            if self._leaving is None:
                self._leaving = {}
            self._leaving[admission.key] = left

    def sees(self, key: ChannelKey) -> bool:
        """Whether the client may see the topic now."""
        return self.principal is not None and self._router.sees(self.principal, key)

    def forget(self, key: ChannelKey) -> None:
        """The topic is no more: nothing comes, and what still waits in the outbox is sent."""
        self.held.pop(key, None)
        self._named.discard(key)

    def let_go(self, key: ChannelKey) -> None:
        """Idempotent."""
        self._named.discard(key)
        self._drop(key)

    def leave(self, channel: str, topics: Iterable[str]) -> None:
        """Drops topics held by name; what is held through the whole channel stays. Raises CallboardError."""
        check_channel(channel)
        for topic in topics:
            for key in [key for key in self._named if key.channel == channel and key.topic == topic]:
                self._named.discard(key)
                if channel not in self._following:
                    self._drop(key)

    def leave_channel(self, channel: str) -> Awaitable[None] | None:
        """Drops the whole channel: what follows it, and what is held by name. Raises CallboardError.

        Where there are very many topics, what is returned drops the rest of them: it is to be awaited.
        """
        check_channel(channel)
        following = self._following.pop(channel, None)
        if following is not None:
            following.close()
        return walk([key for key in self.held if key.channel == channel], self.let_go)

    def topics(self, channel: str) -> tuple[str, ...]:
        """The topics of a channel that are subscribed to now."""
        return tuple(key.topic for key in self.held if key.channel == channel)

    def detach(self) -> None:
        """The connection is over: no event reaches its outbox any more."""
        self._unfollow_all()
        for key in tuple(self.held):
            self._drop(key)
        self._named.clear()

    def wind_up(self) -> Awaitable[None] | None:
        """As `detach`, and others need not wait where it holds very many topics: what is returned drops the rest of
        them. It is to be awaited."""
        self._unfollow_all()
        return walk(tuple(self.held), self.let_go)

    def _unfollow_all(self) -> None:
        for following in self._following.values():
            following.close()
        self._following.clear()

    def _require_principal(self) -> Principal:
        if self.principal is None:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "authenticate first")
        return self.principal

    def _admission(self, key: ChannelKey, start: Start, *, named: bool, snapshot: Event | None = None) -> Admission:
        subscription = self.held.get(key)
        if subscription is not None and start == "live" and snapshot is None:
            return held(subscription, named=named)
        return admit(self._router, key, start, named=named, snapshot=snapshot)

    def _tell(self, admission: Admission) -> None:
        for event in admission.first:
            if frame := self._encoder.encode(event):
                self.outbox.put_nowait(frame)

    def _follow(self, channel: str) -> None:
        following = self._following[channel] = Following(self, self._router, channel, self._require_principal())
        if channel != "system":
            self._router.channels.followers.follow_what_comes(following.follower)

    def _drop(self, key: ChannelKey) -> None:
        subscription = self.held.pop(key, None)
        if subscription is not None:
            if self._leaving and (left := self._leaving.pop(key, None)) is not None:
                left(Position(subscription.log.epoch, subscription.offset))
            self._router.channels.unsubscribe(subscription)
