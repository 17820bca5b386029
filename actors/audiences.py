"""All subscribers of one topic, by what makes bytes of its events for them."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.audience import Audience
from actors.event import Event
from actors.joined_frames import JoinedFrames
from actors.subscription import Encoder, Subscription


class Audiences:
    """An event is encoded once for each audience, however many belong to it."""

    __slots__ = ("_by_encoder", "_joined", "subscribers")

    def __init__(self) -> None:
        self.subscribers = 0
        self._by_encoder: dict[Encoder, Audience] = {}
        self._joined: dict[Encoder, JoinedFrames] | None = None
        """What newcomers are sent, until something new comes. Made when there are several."""

    def __bool__(self) -> bool:
        return bool(self._by_encoder)

    @property
    def furthest(self) -> int:
        """The last event that any of them was sent; 0 without one."""
        return max((audience.furthest for audience in self._by_encoder.values()), default=0)

    def add(self, subscription: Subscription, tail: int) -> None:
        """From its cursor on, the subscription gets everything."""
        audience = self._by_encoder.get(subscription.encoder)
        if audience is None:
            audience = self._by_encoder[subscription.encoder] = Audience()
        audience.add(subscription)
        self.subscribers += 1
        if subscription.gap is not None or subscription.offset < tail:
            subscription.outbox.begin(subscription, self._frames_for(subscription, len(audience)))

    def remove(self, subscription: Subscription) -> bool:
        """Whether it was here. Not one more event reaches the connection, also from a fan-out under way."""
        audience = self._by_encoder.get(subscription.encoder)
        was_there = audience is not None and audience.remove(subscription)
        self.subscribers -= was_there
        if audience is not None and not audience:
            del self._by_encoder[subscription.encoder]
            self._joined = None
        subscription.outbox.forget(subscription)
        return was_there

    def are_behind(self, tail: int) -> bool:
        """Whether anybody has not been offered all there is."""
        return any(audience.is_behind(tail) for audience in self._by_encoder.values())

    def wake_behind(self, tail: int) -> None:
        """Has everybody who is behind read on by cursor."""
        for audience in self._by_encoder.values():
            audience.wake_behind(tail)

    def dissolve(self) -> None:
        """The topic is no more."""
        for audience in self._by_encoder.values():
            audience.dissolve()

    def deliver_at_once(self, before: int, events: Sequence[Event]) -> None:
        """Hands everybody the events, which begin after `before`, in one step: for those who are few."""
        tail = before + len(events)
        self._joined = None
        for encoder, audience in self._by_encoder.items():
            frames = encoder.encode(events[0]) if len(events) == 1 else b"".join(map(encoder.encode, events))
            audience.deliver_at_once(before, tail, frames)

    async def deliver(self, before: int, events: Sequence[Event]) -> None:
        """As `deliver_at_once`, with a pause now and then."""
        if not events:
            return
        tail = before + len(events)
        self._joined = None
        for encoder in tuple(self._by_encoder):
            # Looked up in its turn: at a checkpoint the last one may leave, and another be the first.
            audience = self._by_encoder.get(encoder)
            if audience is not None:
                frames = b"".join(map(encoder.encode, events))
                for _ in audience.deliver(before, tail, frames):
                    await trio.lowlevel.checkpoint()

    def _frames_for(self, newcomer: Subscription, there: int) -> JoinedFrames:
        """`there`: how many belong to its audience. What is for one alone is not held."""
        if there < 2:
            return JoinedFrames(newcomer.log, newcomer.encoder)
        if self._joined is None:
            self._joined = {}
        frames = self._joined.get(newcomer.encoder)
        if frames is None:
            frames = self._joined[newcomer.encoder] = JoinedFrames(newcomer.log, newcomer.encoder)
        return frames
