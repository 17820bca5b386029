"""Where a reader of a log starts, and what it is told that it has missed."""

from __future__ import annotations

import msgspec

from actors.event import ChannelKey, Event, Merge


class Gap(msgspec.Struct, frozen=True, gc=False):
    """Offsets `first` to `last` of `epoch` cannot be delivered.

    `reason` is `retention` (they were dropped), `compacted` (they were folded into the topic's snapshot), `epoch` (the
    position is of another life of the log, so that what lies between is unknown) or `future` (the log never had them).
    """

    epoch: str
    first: int
    last: int
    reason: str


class Resumption(msgspec.Struct, frozen=True, gc=False):
    """Where a reader starts: after `offset`, having been told of `gap` first, if there is one.

    `holes`: some of what follows is compacted. Each hole is told as a gap where the reader comes to it.
    """

    offset: int
    gap: Gap | None
    holes: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing of what the reader has not seen."""
        return self.gap is None and not self.holes


def gap_event(key: ChannelKey, gap: Gap, offset: int, timestamp: int) -> Event:
    """What a reader of a topic is told of a gap, at the `offset` where it goes on."""
    body = msgspec.json.encode({"from": gap.first, "to": gap.last, "reason": gap.reason})
    return Event(key, gap.epoch, offset, offset, "gap", body, Merge.NEVER, "", timestamp)
