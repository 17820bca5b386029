"""The time of day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from actors.tool import ToolError
from engine.tools.tool import Tool, tool


class Moment(msgspec.Struct, frozen=True):
    """A time in a zone. `time` is ISO 8601 with the zone's offset, to the second; `unix` is Unix seconds."""

    time: str
    zone: str
    weekday: str
    unix: int


_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def moment(now: datetime, zone: str) -> Moment:
    """`now` as seen in `zone`. Raises ToolError for a zone that the time-zone database does not name."""
    local = now.astimezone(_zone(zone))
    return Moment(local.isoformat(timespec="seconds"), zone, _WEEKDAYS[local.weekday()], int(now.timestamp()))


def clock_tool(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Tool:
    """The clock. `now` gives an aware time."""

    @tool(category="time", timeout=1.0, inline=True)
    def clock(
        zone: Annotated[str, Meta(description="An IANA name such as Europe/Berlin.", max_length=64)] = "UTC",
    ) -> Moment:
        """The current time in a time zone, with date and weekday."""
        return moment(now(), zone)

    return clock


def _zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC  # known also where the machine has no time-zone database
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ToolError(f"there is no time zone {name!r}: give an IANA name such as Europe/Berlin") from error
