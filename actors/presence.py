"""Who is where, derived from live connections."""

from __future__ import annotations

from actors.event import ChannelKey


class Presence:
    """Users in places, each for as long as one of its connections is there, and a time of grace longer.

    Sync, without a clock of its own: times are trio's, in seconds. A connection is any object that is its own.
    """

    def __init__(self, grace_seconds: float) -> None:
        self._grace = grace_seconds
        self._places: dict[ChannelKey, dict[str, set[object]]] = {}
        self._going: dict[tuple[ChannelKey, str], float] = {}
        """Until when those without a connection stay, in that order: the grace is the same for all."""

    def come(self, place: ChannelKey, user_id: str, connection: object) -> bool:
        """Whether the user is new there. Who comes back in time has never been away."""
        members = self._places.setdefault(place, {})
        is_new = user_id not in members
        members.setdefault(user_id, set()).add(connection)
        self._going.pop((place, user_id), None)
        return is_new

    def lose(self, place: ChannelKey, user_id: str, connection: object, now: float) -> None:
        """The connection is gone: without another the user stays for the time of grace. Idempotent."""
        held = self._places.get(place, {}).get(user_id)
        if held is not None and connection in held:
            held.discard(connection)
            if not held:
                self._going[place, user_id] = now + self._grace

    def leave(self, place: ChannelKey, user_id: str, connection: object) -> bool:
        """The connection says goodbye. Whether the user is gone by that: it had no other there."""
        held = self._places.get(place, {}).get(user_id)
        if held is None or connection not in held:
            return False
        held.discard(connection)
        if not held:
            self._remove(place, user_id)
        return not held

    def departed(self, now: float) -> list[tuple[ChannelKey, str]]:
        """Those whose time of grace is over. From now on they are gone; each is told once."""
        over: list[tuple[ChannelKey, str]] = []
        for who, until in self._going.items():
            if until > now:
                break
            over.append(who)
        for place, user_id in over:
            del self._going[place, user_id]
            self._remove(place, user_id)
        return over

    def members(self, place: ChannelKey) -> tuple[str, ...]:
        """In the order in which they came."""
        return tuple(self._places.get(place, ()))

    def holds(self, place: ChannelKey, user_id: str, connection: object) -> bool:
        """Whether this connection of the user's is there."""
        return connection in self._places.get(place, {}).get(user_id, ())

    def _remove(self, place: ChannelKey, user_id: str) -> None:
        members = self._places[place]
        del members[user_id]
        if not members:
            del self._places[place]
