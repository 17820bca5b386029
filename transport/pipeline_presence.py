"""Who is in which room of a pipeline, and how the others hear of it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import trio

from actors.channels import Channels
from actors.event import ChannelKey, Draft, Json, draft, now_ms
from actors.presence import Presence
from transport.dialects.pipeline_replies import iso

Status: TypeAlias = Literal["joined", "left"]


class RoomsPresence:
    """A user is in a room from its first connection there until a time of grace after its last one.

    A place is the feed of the room, on which those who are there are told. It may be a room for one user alone, where
    there is nobody to tell.
    """

    def __init__(self, channels: Channels, grace_seconds: float) -> None:
        self._channels = channels
        self._presence = Presence(grace_seconds)
        self._shared: set[ChannelKey] = set()

    def online(self, place: ChannelKey) -> tuple[str, ...]:
        """In the order in which they came."""
        return self._presence.members(place)

    async def arrive(self, place: ChannelKey, user_id: str, connection_id: str, *, shared: bool) -> None:
        """Tells those who are there already, where the room is for several users. Idempotent."""
        if shared:
            self._shared.add(place)
        if self._presence.come(place, user_id, connection_id):
            try:
                await self._tell(place, user_id, "joined")
            except BaseException:
                # Whoever is gone before it has arrived would stay for ever.
                self._presence.lose(place, user_id, connection_id, trio.current_time())
                raise

    def lose(self, place: ChannelKey, user_id: str, connection_id: str, now: float) -> None:
        """The connection is gone; `round` tells when the time of grace is over. `now` is trio's time."""
        self._presence.lose(place, user_id, connection_id, now)

    async def leave(self, place: ChannelKey, user_id: str, connection_id: str) -> None:
        """The connection says goodbye: without another one the user is gone at once."""
        if self._presence.leave(place, user_id, connection_id):
            await self._tell(place, user_id, "left")

    async def round(self, now: float) -> None:
        """Tells who has been gone for longer than the time of grace. Called now and then."""
        for place, user_id in self._presence.departed(now):
            await self._tell(place, user_id, "left")

    async def _tell(self, place: ChannelKey, user_id: str, status: Status) -> None:
        online = self._presence.members(place)
        # A room without anybody may have been given up meanwhile: a word to it would open it again.
        if place in self._shared and self._channels.exists(place):
            await self._channels.emit(place, _draft(user_id, status, online))
        if not online:
            self._shared.discard(place)


def _draft(user_id: str, status: Status, online: tuple[str, ...]) -> Draft:
    now = now_ms()
    data: Json = {"user_id": user_id, "status": status, "online": list(online)}
    return draft("presence", {"session_type": "group", "data": data, "timestamp": iso(now)}, timestamp=now)
