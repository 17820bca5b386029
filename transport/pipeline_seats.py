"""Who is connected to which room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import msgspec

from actors.event import ChannelKey, Json, now_ms
from actors.principal import Principal
from transport.dialects.pipeline import SessionType
from transport.dialects.pipeline_replies import iso


class Seat:
    """One connection in one room. Times are Unix milliseconds."""

    __slots__ = (
        "connection_id",
        "created_at",
        "expel",
        "last_active",
        "pipeline_uuid",
        "place",
        "session_type",
        "user",
    )

    def __init__(
        self,
        connection_id: str,
        pipeline_uuid: str,
        session_type: SessionType,
        place: ChannelKey,
        user: Principal,
        expel: Callable[[], None],
    ) -> None:
        """`place` is the room's feed. `expel` ends the connection, which may not be there any more."""
        self.connection_id = connection_id
        self.pipeline_uuid = pipeline_uuid
        self.session_type = session_type
        self.place = place
        self.user = user
        self.expel = expel
        self.created_at = self.last_active = now_ms()

    def data(self) -> dict[str, Json]:
        return {
            "connection_id": self.connection_id,
            "session_type": self.session_type,
            "created_at": iso(self.created_at),
            "last_active": iso(self.last_active),
            "is_active": True,
        }


class SeatsReport(msgspec.Struct, frozen=True):
    """Of the rooms that the one who asks may see: how many are connected where, and who to the pipeline asked for."""

    stats: dict[str, Json]
    connections: list[dict[str, Json]]


class Seats:
    """All connections in rooms."""

    def __init__(self) -> None:
        self._seats: dict[str, Seat] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def take(self, seat: Seat) -> None:
        self._seats[seat.connection_id] = seat

    def leave(self, seat: Seat) -> None:
        """Idempotent."""
        self._seats.pop(seat.connection_id, None)

    def of_group(self, pipeline_uuid: str) -> list[Seat]:
        """The connections to a pipeline's group."""
        return [
            seat for seat in self._seats.values() if (seat.pipeline_uuid, seat.session_type) == (pipeline_uuid, "group")
        ]

    def report(self, pipeline_uuid: str, sees: Callable[[Seat], bool]) -> SeatsReport:
        """Counts the connections that whoever asks sees."""
        seen = list(filter(sees, self._seats.values()))
        by_pipeline = Counter(seat.pipeline_uuid for seat in seen)
        by_type: Counter[str] = Counter({"person": 0, "group": 0})
        by_type.update(seat.session_type for seat in seen)
        stats: dict[str, Json] = {
            "total_connections": len(seen),
            "pipelines": len(by_pipeline),
            "connections_by_pipeline": {**by_pipeline},
            "connections_by_session_type": {**by_type},
        }
        return SeatsReport(stats, [seat.data() for seat in seen if seat.pipeline_uuid == pipeline_uuid])
