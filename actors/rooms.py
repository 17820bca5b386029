"""Named rooms: who may come in and who may talk, who is there, and what was said."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from actors.channels import Channels
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, check_topic, draft
from actors.position import Position
from actors.presence import Presence
from actors.principal import Principal

ROOM_CHANNEL = "room"
_OWN_TYPES = frozenset({"room.message", "member.joined", "member.left"})
EVERYBODY = "*"
_MOST_CHARACTERS = 16_384


class RoomRule(msgspec.Struct, frozen=True):
    """User ids, or `*` for everybody. An admin may do both everywhere."""

    join: tuple[str, ...] = (EVERYBODY,)
    talk: tuple[str, ...] = (EVERYBODY,)


class RoomsOptions(msgspec.Struct, frozen=True):
    """`rules` by a room's name, `other` for those not in it. `grace_seconds`: how long a member who has lost its last
    connection is still there."""

    rules: Mapping[str, RoomRule] = {}
    other: RoomRule = RoomRule()
    grace_seconds: float = 10.0


class Rooms:
    """All rooms of the engine. A room is a topic of its own, which members follow and resume like any other: events
    `member.joined`, `member.left` with `user_id`, and `room.message` with `user_id` and `content`."""

    def __init__(self, channels: Channels, options: RoomsOptions | None = None) -> None:
        self._channels = channels
        self._options = options or RoomsOptions()
        self._presence = Presence(self._options.grace_seconds)

    def key(self, principal: Principal, name: str) -> ChannelKey:
        """The topic of a room that the principal may join. Raises CallboardError FORBIDDEN or INVALID_PAYLOAD."""
        check_topic(name)
        if not self.admits(principal, name):
            raise CallboardError(ErrorCode.FORBIDDEN, f"you may not join the room {name}")
        return ChannelKey(ROOM_CHANNEL, name)

    def admits(self, principal: Principal, name: str) -> bool:
        """Whether the principal may join."""
        return _allows(self._rule(name).join, principal)

    def check_publication(self, principal: Principal, name: str, event_type: str) -> None:
        """Raises CallboardError where the principal may not add such an event to a room from outside: FORBIDDEN, or
        INVALID_PAYLOAD for what tells of members, who speak for themselves."""
        self._check_talk(principal, name)
        if event_type in _OWN_TYPES:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"{event_type} is for a room's members alone")

    async def join(self, principal: Principal, name: str, connection: object) -> None:
        """Whoever is to see the members come, itself too, follows the topic before. Idempotent."""
        key = self.key(principal, name)
        if self._presence.come(key, principal.user_id, connection):
            await self._channels.emit(key, draft("member.joined", {"user_id": principal.user_id}))

    async def leave(self, principal: Principal, name: str, connection: object) -> None:
        """Says goodbye, at once. Raises CallboardError CONFLICT for one who is not there."""
        key = self._place_of(principal, name, connection)
        if self._presence.leave(key, principal.user_id, connection):
            await self._channels.emit(key, draft("member.left", {"user_id": principal.user_id}))

    def lose(self, principal: Principal, name: str, connection: object, now: float) -> None:
        """The connection is gone; `round` tells when its time of grace is over."""
        self._presence.lose(ChannelKey(ROOM_CHANNEL, name), principal.user_id, connection, now)

    async def talk(self, principal: Principal, name: str, connection: object, content: str) -> Position:
        """Says it to all. Raises CallboardError CONFLICT for one who is not there, FORBIDDEN, or INVALID_PAYLOAD."""
        key = self._place_of(principal, name, connection)
        self._check_talk(principal, name)
        if len(content) > _MOST_CHARACTERS:
            message = f"a message to a room has at most {_MOST_CHARACTERS} characters"
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
        said = draft("room.message", {"user_id": principal.user_id, "content": content})
        return await self._channels.publish(key, said)

    def members(self, principal: Principal, name: str) -> tuple[str, ...]:
        """Who is there, in the order in which they came. Raises CallboardError as `key`."""
        return self._presence.members(self.key(principal, name))

    async def round(self, now: float) -> None:
        """Tells who has been gone for longer than the time of grace. Called now and then."""
        for key, user_id in self._presence.departed(now):
            await self._channels.emit(key, draft("member.left", {"user_id": user_id}))

    def _place_of(self, principal: Principal, name: str, connection: object) -> ChannelKey:
        key = ChannelKey(ROOM_CHANNEL, name)
        if not self._presence.holds(key, principal.user_id, connection):
            raise CallboardError(ErrorCode.CONFLICT, f"you are not in the room {name}")
        return key

    def _check_talk(self, principal: Principal, name: str) -> None:
        if not _allows(self._rule(name).talk, principal):
            raise CallboardError(ErrorCode.FORBIDDEN, f"you may not talk in the room {name}")

    def _rule(self, name: str) -> RoomRule:
        return self._options.rules.get(name, self._options.other)


def _allows(users: tuple[str, ...], principal: Principal) -> bool:
    return principal.is_admin or EVERYBODY in users or principal.user_id in users
