"""A reader's cursor into one log, and what makes bytes of the events for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from actors.event import Event
from actors.log import Log
from actors.resumption import Gap

if TYPE_CHECKING:
    from actors.outbox import Outbox


class Encoder(Protocol):
    """One dialect in one framing. One instance serves every connection, so that an event is encoded once for all."""

    def encode(self, event: Event) -> bytes:
        """The event as bytes ready for the socket; none of them for one that the dialect leaves out."""
        ...


class Step(Protocol):
    """The subscriptions of an audience that are written to together, and stand where it stands."""

    def offset_at(self, place: int) -> int:
        """The cursor of the subscription at a place."""
        ...

    def fall_out(self, subscription: Subscription) -> None:
        """From now on the subscription stands for itself."""
        ...


class Subscription:
    """A cursor into one log on behalf of one connection.

    `gap` is told first. While it keeps up it is `in_step` with others of its audience, at `place` among them.
    """

    __slots__ = ("_offset", "encoder", "gap", "in_step", "log", "outbox", "place")

    def __init__(self, log: Log, outbox: Outbox, encoder: Encoder, offset: int, gap: Gap | None) -> None:
        self.log = log
        self.outbox = outbox
        self.encoder = encoder
        self.gap = gap
        self.in_step: Step | None = None
        self.place = 0
        self._offset = offset

    @property
    def offset(self) -> int:
        """The last event handed to the connection's socket or to its pending rest."""
        return self._offset if self.in_step is None else self.in_step.offset_at(self.place)

    @offset.setter
    def offset(self, offset: int) -> None:
        self.fall_out()
        self._offset = offset

    @property
    def is_behind(self) -> bool:
        """Whether something of its topic has not been handed to the connection."""
        return self.gap is not None or self.offset < self.log.tail

    def fall_out(self) -> None:
        """Idempotent."""
        if self.in_step is not None:
            self.in_step.fall_out(self)
