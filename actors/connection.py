"""One client's connection: who it is, what it is subscribed to, and the outbox that all of it leaves by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial

import msgspec

from actors.addresses import check_channel, system_keys
from actors.channels import Follower
from actors.commands import Start
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.event import ChannelKey, Event
from actors.log import Gap, Log, Resumption
from actors.outbox import Outbox
from actors.pace import walk
from actors.position import Position
from actors.principal import Principal
from actors.router import Router
from actors.subscription import Encoder, Subscription


class Admission(msgspec.Struct, frozen=True):
    """What a subscription will start with, for the reply that goes before it."""

    key: ChannelKey
    epoch: str
    start: Resumption
    questions: tuple[Event, ...]
    named: bool
    live: bool
    """Asked for what comes, without a position: a topic that is held already goes on where it is."""
    snapshot: Event | None = None
    """In place of all before the start."""

    @property
    def recovered(self) -> bool:
        return self.start.is_whole


class Connection:
    """One client. A topic held by name and through its whole channel is delivered once."""

    __slots__ = (
        "__weakref__",
        "_encoder",
        "_followers",
        "_leaving",
        "_max",
        "_named",
        "_router",
        "_subscriptions",
        "close",
        "device_id",
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
        self._subscriptions: dict[ChannelKey, Subscription] = {}
        self._named: set[ChannelKey] = set()
        self._followers: dict[str, Follower] = {}
        """The channels held whole. The system channel's topics are few and fixed: it is not followed as they open."""
        self._leaving: dict[ChannelKey, Callable[[Position], None]] | None = None
        """Who is to be told where a subscription ended. Made when there is somebody: most connections have none."""

    @property
    def subscriptions(self) -> int:
        return len(self._subscriptions)

    def admit(
        self,
        channel: str,
        starts: Mapping[str, Start],
        *,
        everything: bool,
        snapshots: Mapping[str, Event] | None = None,
    ) -> tuple[Admission, ...]:
        """What a subscription to these topics would start with; with `everything` also to the rest of the channel.

        A topic of `snapshots` that was asked for without a position, or where events after it are missing, starts with
        its snapshot. Raises CallboardError, and changes nothing.
        """
        check_channel(channel)
        principal = self._require_principal()
        keys: dict[ChannelKey, Start] = {}
        if everything and channel == "system":
            keys.update(dict.fromkeys(system_keys(principal), "live"))
        for topic, start in starts.items():
            try:
                keys[self._router.resolve(principal, channel, topic)] = start
            except CallboardError as error:
                # Who follows all of a channel may come back with the position of a topic that is gone meanwhile.
                if not everything or error.code is not ErrorCode.NOT_FOUND:
                    raise
        if len(self._named.union(keys)) > self._max:
            raise CallboardError(ErrorCode.RATE_LIMITED, f"a connection holds at most {self._max} subscriptions")
        taken = snapshots or {}
        return tuple(
            self._admission(key, start, named=not everything, snapshot=taken.get(key.topic))
            for key, start in keys.items()
        )

    def enter(self, channel: str, admissions: Iterable[Admission], *, everything: bool) -> Awaitable[None] | None:
        """Subscribes as admitted. The reply has been put into the outbox before.

        Where there are very many topics, what is returned subscribes to the rest of them: it is to be awaited. What
        they say meanwhile comes then.
        """
        for admission in admissions:
            self._subscribe(admission)
        if everything and channel == "task":
            # A task that waits for an answer may have been put away for lack of watchers.
            for key in self._router.tasks.asking(self._require_principal()):
                self._attach(key)
        if not everything or channel in self._followers:
            return None
        self._followers[channel] = follower = self._follower(channel)
        if channel == "system":
            return None
        standing = self._router.channels.follow_what_comes(follower)
        return walk(standing, partial(self._catch_up, follower))

    def admission(self, key: ChannelKey, start: Start, snapshot: Event | None = None) -> Admission:
        """What a subscription to a topic that its dialect has found for the client would start with. Nothing is checked
        and nothing changes; `hold` subscribes, in the same step."""
        return self._admission(key, start, named=True, snapshot=snapshot)

    def hold(self, admission: Admission, left: Callable[[Position], None] | None = None) -> None:
        """Subscribes as told. The reply that names the start has been put into the outbox before.

        `left` is told once, when the subscription ends, which event was the last that the client was sent.
        """
        self._subscribe(admission)
        if left is not None:
            if self._leaving is None:
                self._leaving = {}
            self._leaving[admission.key] = left

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
                if channel not in self._followers:
                    self._drop(key)

    def leave_channel(self, channel: str) -> Awaitable[None] | None:
        """Drops the whole channel: what follows it, and what is held by name. Raises CallboardError.

        Where there are very many topics, what is returned drops the rest of them: it is to be awaited.
        """
        check_channel(channel)
        follower = self._followers.pop(channel, None)
        if follower is not None:
            self._router.channels.unfollow(follower)
        return walk([key for key in self._subscriptions if key.channel == channel], self.let_go)

    def topics(self, channel: str) -> tuple[str, ...]:
        """The topics of a channel that are subscribed to now."""
        return tuple(key.topic for key in self._subscriptions if key.channel == channel)

    def detach(self) -> None:
        """The connection is over: no event reaches its outbox any more."""
        self._unfollow_all()
        for key in tuple(self._subscriptions):
            self._drop(key)
        self._named.clear()

    def wind_up(self) -> Awaitable[None] | None:
        """As `detach`, and others need not wait where it holds very many topics: what is returned drops the rest of
        them. It is to be awaited."""
        self._unfollow_all()
        return walk(tuple(self._subscriptions), self.let_go)

    def _unfollow_all(self) -> None:
        for follower in self._followers.values():
            self._router.channels.unfollow(follower)
        self._followers.clear()

    def _require_principal(self) -> Principal:
        if self.principal is None:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "authenticate first")
        return self.principal

    def _admission(self, key: ChannelKey, start: Start, *, named: bool, snapshot: Event | None = None) -> Admission:
        held = self._subscriptions.get(key)
        if held is not None and start == "live" and snapshot is None:
            # To take it up again at the tail would lose what its connection lags behind.
            return Admission(key, held.log.epoch, Resumption(held.offset, held.gap), (), named, live=True)
        log = self._router.log(key)
        begin = self._router.start_of(key, start)
        if start != "live" and begin.is_whole:
            snapshot = None
        if snapshot is not None:
            begin = Resumption(snapshot.offset, log.gap_of(begin), snapshot.offset < log.holes)
        # Asked again in the place where the reader starts, so that a client's position never goes back.
        questions = tuple(
            msgspec.structs.replace(event, first=begin.offset, offset=begin.offset)
            for event in self._router.open_questions(key)
            if event.offset <= begin.offset
        )
        return Admission(key, log.epoch, begin, questions, named, start == "live", snapshot)

    def _subscribe(self, admission: Admission) -> None:
        key = admission.key
        if admission.named:
            self._named.add(key)
        held = self._subscriptions.get(key)
        snapshot, start = admission.snapshot, admission.start
        # Where it is held already it goes on where it is, and what the snapshot holds may come behind it.
        goes_on = held is not None and (admission.live or held.offset == start.offset)
        if goes_on and snapshot is None:
            return
        if not goes_on:
            self._drop(key)
        first: list[Event] = []
        if snapshot is not None:
            # The gap goes before it, and is told here.
            first = [snapshot] if start.gap is None else [self._gap_event(key, start.gap, start.offset), snapshot]
            start = Resumption(start.offset, None)
        for event in (*first, *admission.questions):
            if frame := self._encoder.encode(event):
                self.outbox.put_nowait(frame)
        if not goes_on:
            self._subscriptions[key] = self._router.channels.subscribe(key, self.outbox, self._encoder, start)

    def _gap_event(self, key: ChannelKey, gap: Gap, offset: int) -> Event:
        return self._router.log(key).gap_event(gap, offset)

    def _follower(self, channel: str) -> Follower:
        principal = self._require_principal()
        return Follower(channel, None if principal.is_admin else principal.user_id, self._attach, self._forget)

    def _attach(self, key: ChannelKey) -> None:
        """A topic of a channel that is followed whole. The limit is for topics named: one who asks for all gets all."""
        if key not in self._subscriptions and self._sees(key):
            self._subscribe(self._admission(key, "live", named=False))

    def _catch_up(self, follower: Follower, standing: tuple[Log, int]) -> None:
        """Attaches to a topic that was there already, from where it ended then."""
        log, tail = standing
        key = log.key
        left = self._followers.get(follower.channel) is not follower
        if not left and key not in self._subscriptions and self._router.channels.exists(key) and self._sees(key):
            self._subscribe(self._admission(key, Position(log.epoch, tail), named=False))

    def _sees(self, key: ChannelKey) -> bool:
        return self.principal is not None and self._router.sees(self.principal, key)

    def _forget(self, key: ChannelKey) -> None:
        """The topic is no more: nothing comes, and what still waits in the outbox is sent."""
        self._subscriptions.pop(key, None)
        self._named.discard(key)

    def _drop(self, key: ChannelKey) -> None:
        subscription = self._subscriptions.pop(key, None)
        if subscription is not None:
            if self._leaving and (left := self._leaving.pop(key, None)) is not None:
                left(Position(subscription.log.epoch, subscription.offset))
            self._router.channels.unsubscribe(subscription)
