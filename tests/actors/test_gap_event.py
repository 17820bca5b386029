"""The event that tells of a gap has a time, also where no event is left beside it."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.event import ChannelKey, Event, now_ms
from actors.outbox import Outbox, OutboxOptions
from actors.position import Position
from tests.support.world import MemorySink, NurserySpawner

TOPIC = ChannelKey("app", "news")


class Times:
    """An encoder of nothing but times."""

    def encode(self, event: Event) -> bytes:
        return b"%d\n" % event.timestamp


async def test_in_an_empty_topic(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels, sink = Channels(NurserySpawner(nursery), {}), MemorySink()
        start = channels.resume(TOPIC, Position("another", 5))
        before = now_ms()
        channels.subscribe(TOPIC, Outbox(sink, nursery.start_soon, OutboxOptions()), Times(), start)
        await wait_all_tasks_blocked()
        assert before <= int(sink.written) <= now_ms()
        nursery.cancel_scope.cancel()
