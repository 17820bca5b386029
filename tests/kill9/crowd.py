"""All who use the engine while it is killed: those who follow, those who publish, those who were promised more."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import trio

from tests.kill9.clients import PAUSE, Follower, GatewaySocket, RoomMember
from tests.kill9.promises import Promised
from tests.kill9.publishers import Publisher
from tests.kill9.record import Acknowledged, Place, Record


class Crowd(msgspec.Struct, frozen=True):
    """All who use the engine."""

    sockets: Sequence[GatewaySocket]
    streams: Sequence[Follower]
    members: Sequence[RoomMember]
    publishers: Sequence[Publisher]
    promised: Sequence[Promised]

    @property
    def followers(self) -> list[GatewaySocket | Follower]:
        return [*self.sockets, *self.streams, *self.members]

    def come(self, nursery: trio.Nursery) -> None:
        """All who follow."""
        for each in self.followers:
            nursery.start_soon(each.run)

    def stop(self) -> None:
        """From each one more event, which is the last."""
        for publisher in self.publishers:
            publisher.stop()
        for member in self.members:
            member.stop()

    async def wait_in_use(self) -> None:
        """Returns once something was acknowledged after this call, and all followers have heard something at all."""
        before = len(self.acknowledged())
        while not self._is_in_use(before):  # noqa: ASYNC110  what a client hears comes from another process
            await trio.sleep(PAUSE)
        for _, record in self.records():
            if not record.entries:
                await record.wait_entry()

    def _is_in_use(self, acknowledged: int) -> bool:
        return len(self.acknowledged()) > acknowledged and all(each.records for each in self.followers)

    async def wait_level(self) -> None:
        """Returns once everybody has been told all that was acknowledged."""
        for member in self.members:
            await member.done.wait()
        for topic, record in self.records():
            if (last := self._last(topic)) is not None:
                await record.wait_reached(last)

    def records(self) -> list[tuple[str, Record]]:
        return [(topic, record) for each in self.followers for topic, record in each.records.items()]

    def acknowledged(self) -> list[Acknowledged]:
        talkers: list[Publisher | RoomMember] = [*self.publishers, *self.members]
        return [one for each in talkers for one in each.acknowledged]

    def end_of(self, topic: str) -> int:
        """How far everybody must have come: members of a room may come and go after that."""
        last = self._last(topic)
        return 0 if last is None else last.offset

    def _last(self, topic: str) -> Place | None:
        talkers: list[Publisher | RoomMember] = [*self.publishers, *self.members]
        newest = [each.acknowledged[-1] for each in talkers if each.acknowledged]
        return max((one.place for one in newest if one.topic == topic), key=lambda place: place.offset, default=None)
