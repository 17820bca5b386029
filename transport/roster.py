"""Who is connected in one dialect, since when, and how much they have said."""

from __future__ import annotations

import time

import msgspec
import trio

from actors.principal import Principal


class Attendance(msgspec.Struct, kw_only=True):
    """One connection. `connected_at` is Unix seconds, `since` trio's time."""

    id: str
    user_id: str
    connected_at: float
    since: float
    message_count: int = 0


class RosterConnection(msgspec.Struct, frozen=True, kw_only=True):
    """One connection as it is told. `connected_at` is Unix seconds, `uptime` seconds."""

    id: str
    connected_at: float
    message_count: int
    uptime: float


class RosterStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Totals count from the engine's start."""

    active_connections: int
    total_connections: int
    total_messages: int
    connections: tuple[RosterConnection, ...]


class Roster:
    """At most `limit` connections at once; None for any number."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._present: dict[str, Attendance] = {}
        self._connections = self._messages = 0

    def enter(self, connection_id: str, user_id: str) -> Attendance | None:
        """None where there are as many as may be."""
        if self.limit is not None and len(self._present) >= self.limit:
            return None
        entered = Attendance(id=connection_id, user_id=user_id, connected_at=time.time(), since=trio.current_time())
        self._present[connection_id] = entered
        self._connections += 1
        return entered

    def count_message(self, attendance: Attendance) -> None:
        attendance.message_count += 1
        self._messages += 1

    def leave(self, attendance: Attendance) -> None:
        """Idempotent."""
        self._present.pop(attendance.id, None)

    def statistics(self, principal: Principal) -> RosterStatistics:
        """The figures of all; of the connections those that the principal may see."""
        now = trio.current_time()
        return RosterStatistics(
            active_connections=len(self._present),
            total_connections=self._connections,
            total_messages=self._messages,
            connections=tuple(
                RosterConnection(
                    id=one.id,
                    connected_at=one.connected_at,
                    message_count=one.message_count,
                    uptime=round(now - one.since, 3),
                )
                for one in self._present.values()
                if principal.sees(one.user_id)
            ),
        )
