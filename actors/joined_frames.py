"""What lies between a position and the tail, encoded once for all who come back to the same place."""

from __future__ import annotations

from collections.abc import Sequence

from actors.event import Event
from actors.log import Log
from actors.merge import merge_events
from actors.subscription import Encoder

READ_EVENTS = 512
"""Of a log in one piece, at most."""


class JoinedFrames:
    """The piece of a log that was asked for last: after a restart all who had kept up come back to one place.

    Of use only where there are several: it holds as many bytes as a piece has.
    """

    __slots__ = ("_encoder", "_end", "_joined", "_log", "_made_of")

    def __init__(self, log: Log, encoder: Encoder) -> None:
        self._log = log
        self._encoder = encoder
        self._made_of: tuple[int, ...] | None = None
        self._end = 0
        self._joined = b""

    def after(self, offset: int, max_bytes: int) -> tuple[int, bytes]:
        """Where the piece ends that begins behind `offset`, and its frames. The next event is in memory, if there is
        one."""
        log = self._log
        made_of = (offset, max_bytes, log.tail, log.revision)
        if made_of != self._made_of:
            events = log.read(offset, max_events=READ_EVENTS, max_bytes=max_bytes)
            self._end = events[-1].offset if events else offset
            self._joined = join_frames(self._encoder, events)
            self._made_of = made_of
        return self._end, self._joined


def join_frames(encoder: Encoder, events: Sequence[Event]) -> bytes:
    """The frames of one who lags: adjacent events merged by their class."""
    return b"".join(map(encoder.encode, merge_events(events)))
