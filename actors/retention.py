"""How much of a topic is kept, and what an event is charged for."""

from __future__ import annotations

import msgspec

EVENT_OVERHEAD = 200
"""Bytes charged for an event beside its body, so that a flood of empty events is bounded too."""


class Retention(msgspec.Struct, frozen=True):
    """What a log keeps: the newest events within all three bounds."""

    events: int = 10_000
    bytes: int = 8 * 1024 * 1024
    seconds: float = 24 * 3600.0
