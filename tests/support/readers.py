"""Readers of a topic in memory, and an encoder that fails."""

from __future__ import annotations

import trio

from actors.channels import Channels
from actors.event import Event
from actors.outbox import Outbox, OutboxOptions
from actors.subscription import Subscription
from tests.support.drafts import KEY, read_back
from tests.support.spawners import CrashOnce
from tests.support.world import Lines, MemorySink


class Fragile(Lines):
    """Fails once at each of the given offsets."""

    def __init__(self, *offsets: int) -> None:
        self._offsets = set(offsets)

    def encode(self, event: Event) -> bytes:
        if event.offset in self._offsets:
            self._offsets.discard(event.offset)
            raise CrashOnce
        return super().encode(event)


async def answer(outbox: Outbox, frame: bytes) -> None:
    """As a connection answers its client: once there is room. Raises BrokenSink."""
    await outbox.wait_for_room()
    outbox.put_nowait(frame)


class Reader:
    def __init__(self, nursery: trio.Nursery, room: int | None = None) -> None:
        self.sink = MemorySink(room)
        self.outbox = Outbox(self.sink, nursery.start_soon, OutboxOptions(stall_seconds=1e6))

    def attach(self, channels: Channels, encoder: Lines) -> Subscription:
        return channels.subscribe(KEY, self.outbox, encoder, channels.resume(KEY, None))

    @property
    def offsets(self) -> list[int]:
        return [read_back(line).offset for line in self.sink.lines]
