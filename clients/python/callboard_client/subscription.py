"""Subscriptions and how events reach them: a bounded queue each, and a socket that waits for the slowest."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import trio

from callboard_client.errors import ClientError
from callboard_client.events import Position
from callboard_client.frames import Place, Subscribed
from callboard_client.places import Places
from callboard_client.snapshots import Pushed

CAPACITY = 256
RESERVE = 4096
"""How many events more than its capacity a queue may hold while an answer is awaited. The server sends replies before
waiting events, so that only what is on its way lies before one."""


class Subscription:
    """An asynchronous iterator of events, gaps, and snapshots where those were asked for, of one topic, several, or a
    whole channel.

    Full policy: wait. While the queue is full nothing is read from the socket, for any subscription of the client, so
    that a slow consumer costs the server a position and nothing is dropped. One that keeps a connection waiting for
    longer than the server's patience costs that connection, and is resumed on the next.
    """

    def __init__(self, places: Places, capacity: int, make_room: Callable[[], None]) -> None:
        self.places = places
        self._capacity = capacity
        self._make_room = make_room
        self._queue: deque[Pushed] = deque()
        self._filled = trio.lowlevel.ParkingLot()
        self._failure: ClientError | None = None

    @property
    def channel(self) -> str:
        return self.places.channel

    @property
    def topics(self) -> tuple[str, ...]:
        """Empty for the whole channel."""
        return self.places.topics

    @property
    def positions(self) -> dict[str, Position]:
        """How far each topic has been received. To go on after the program's own end, keep the `position` of the last
        event that was dealt with instead: what is in the queue is counted here."""
        return self.places.positions()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> Pushed:
        """Raises ClientError once the client or this subscription has come to its end, after all that was received."""
        await trio.lowlevel.checkpoint()
        while not self._queue:
            if self._failure is not None:
                raise self._failure
            await self._filled.park()
        was_full = self.is_full(awaited=False)
        pushed = self._queue.popleft()
        if was_full:
            self._make_room()
        return pushed

    def is_full(self, *, awaited: bool) -> bool:
        """`awaited`: an answer is, which must be reached behind the events."""
        limit = self._capacity + RESERVE if awaited else self._capacity
        return self._failure is None and len(self._queue) >= limit

    def begin(self, started: Subscribed) -> None:
        """The server has said where each topic starts."""
        for topic, place in started.positions.items():
            self._begin(topic, place)

    def renew(self, told: Subscribed) -> None:
        """The server has said how far it has sent the whole channel."""
        self.places.renew(told.positions)

    def push(self, pushed: Pushed) -> None:
        """Takes what is new to it, without waiting."""
        if self._failure is None and self.places.takes(pushed):
            self._put(pushed)

    def fail(self, error: ClientError) -> None:
        """The end: what is queued can still be read. The first error counts."""
        if self._failure is None:
            self._failure = error
            self._filled.unpark_all()
            self._make_room()

    def _begin(self, topic: str, place: Place) -> None:
        if (gap := self.places.begin(topic, place)) is not None:
            self._put(gap)

    def _put(self, pushed: Pushed) -> None:
        self._queue.append(pushed)
        self._filled.unpark()


class Audience:
    """Who hears what: the subscriptions that the server has confirmed on the present connection."""

    def __init__(self) -> None:
        self._members: dict[tuple[str, str], dict[Subscription, None]] = {}
        self._room = trio.lowlevel.ParkingLot()

    def add(self, subscription: Subscription) -> None:
        for key in _keys(subscription):
            self._members.setdefault(key, {})[subscription] = None

    def discard(self, subscription: Subscription) -> None:
        for key in _keys(subscription):
            members = self._members.get(key, {})
            members.pop(subscription, None)
            if not members:
                self._members.pop(key, None)

    def clear(self) -> None:
        self._members.clear()

    def hearing(self, channel: str, topic: str) -> list[Subscription]:
        """Those by name and those by the whole channel."""
        return [*self._members.get((channel, topic), ()), *self._members.get((channel, ""), ())]

    def make_room(self) -> None:
        """Something has changed for which delivery may be waiting."""
        self._room.unpark_all()

    async def deliver(self, pushed: Pushed, is_awaited: Callable[[], bool]) -> None:
        """Waits until all who hear it have room, then gives it to all in one step: so they stand at one position."""
        hearing = self.hearing(pushed.channel, pushed.topic)
        while any(each.is_full(awaited=is_awaited()) for each in hearing):
            await self._room.park()
            hearing = self.hearing(pushed.channel, pushed.topic)
        for each in hearing:
            each.push(pushed)


def _keys(subscription: Subscription) -> list[tuple[str, str]]:
    return [(subscription.channel, topic) for topic in subscription.topics or ("",)]
