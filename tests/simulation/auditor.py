"""An actor inside a simulated engine that reads all topics by cursor, and writes down what it gets."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.channels import Channels
from actors.event import ChannelKey, Event
from actors.position import Position
from actors.reader import Reader
from tests.simulation.ledger import Began, Item, Missed, Seen


class Auditor:
    """Begins with the oldest event in each life of the engine; interrupted, it goes on where it was."""

    def __init__(self, keys: Sequence[ChannelKey]) -> None:
        self.records: dict[str, list[Item]] = {}
        self._keys = keys
        self._reading = trio.CancelScope()

    def begin(self, channels: Channels) -> None:
        """A life of the engine begins."""
        self._channels = channels
        self._reader = Reader(channels)
        for key in self._keys:
            self._begin(key)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with trio.CancelScope() as self._reading:
                while True:
                    for event in await self._reader.read():
                        self.records[event.key.topic].append(_noted(event))

    def interrupt(self) -> None:
        self._reading.cancel()

    def begin_anew(self, key: ChannelKey) -> None:
        """The topic has been forgotten."""
        self._reader.remove(key)
        self._begin(key)

    def position(self, topic: str) -> Position | None:
        match self.records[topic][-1:]:
            case [Began(epoch, offset) | Seen(epoch, _, offset, _) | Missed(epoch, _, _, _, offset)]:
                return Position(epoch, offset)
            case _:
                return None

    def _begin(self, key: ChannelKey) -> None:
        log = self._channels.log(key)
        start = log.replay()
        self.records[key.topic] = [] if start.gap else [Began(log.epoch, start.offset)]
        self._reader.add(key, start)


def _noted(event: Event) -> Item:
    data = event.data
    assert isinstance(data, dict)
    if event.event_type != "gap":
        return Seen(event.epoch, event.first, event.offset, tuple(str(data["content"]).split()))
    first, last = data["from"], data["to"]
    assert isinstance(first, int)
    assert isinstance(last, int)
    return Missed(event.epoch, first, last, str(data["reason"]), event.offset)
