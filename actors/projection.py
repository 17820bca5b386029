"""What a feed makes of the events of its sources."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from actors.event import ChannelKey, Draft, Event
from actors.redaction import TaskRedaction


class Projection(Protocol):
    """What a feed says about the events of its sources. Sync, and without a clock of its own."""

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        """What is said at once. `now` is trio's time."""
        ...

    @property
    def due(self) -> float:
        """When `flush` has something to say that was held back; infinity where nothing is."""
        ...

    def flush(self, now: float) -> Sequence[Draft]:
        """What was held back and is due."""
        ...

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        """Forgets the texts that are taken back, and returns which of the feed's own events hold some of them."""
        ...

    def dump(self) -> Mapping[str, bytes | None]:
        """The parts of its state that have changed since the last call, by name; None for one that is no more."""
        ...

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Takes up what was dumped. For a projection that is new."""
        ...

    def is_rebuilt_from(self, source: ChannelKey) -> bool:
        """Whether its state is, beside what it dumps, what it makes of the source's events from the first one on."""
        ...


class NothingHeldBack:
    """The part of a projection that says everything at once."""

    @property
    def due(self) -> float:
        return math.inf

    def flush(self, now: float) -> Sequence[Draft]:
        return ()


class NothingRemembered:
    """The part of a projection to which each event stands for itself."""

    def dump(self) -> Mapping[str, bytes | None]:
        return {}

    def load(self, parts: Mapping[str, bytes]) -> None:
        pass

    def is_rebuilt_from(self, source: ChannelKey) -> bool:
        return False


class RebuiltFromTasks(NothingRemembered):
    """The part of a projection whose state is, for each task, what it makes of that one's events."""

    def is_rebuilt_from(self, source: ChannelKey) -> bool:
        return source.channel == "task"
