"""What a delivery may cost: each event is encoded once for all, written once for each, and holds up nobody else."""

from __future__ import annotations

from itertools import pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import Event
from actors.outbox import Outbox, OutboxOptions
from tests.support.drafts import KEY, fact, read_back
from tests.support.world import Lines, MemorySink, NurserySpawner

SUBSCRIBERS = 1000


class Counting(Lines):
    """A dialect that notes which offsets it was asked for."""

    def __init__(self) -> None:
        self.encoded: list[int] = []

    def encode(self, event: Event) -> bytes:
        self.encoded.append(event.offset)
        return super().encode(event)


def no_writer(run: object) -> None:
    raise AssertionError("a connection that keeps up needs no writer")


def subscribe(channels: Channels, encoder: Lines, sink: MemorySink) -> None:
    channels.subscribe(KEY, Outbox(sink, no_writer, OutboxOptions()), encoder, channels.resume(KEY, None))


async def test_an_event_is_encoded_once_for_each_dialect_and_a_batch_written_once_to_each_reader(
    autojump_clock: trio.abc.Clock,
) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        dialects = [Counting(), Counting()]
        sinks = [MemorySink() for _ in range(SUBSCRIBERS)]
        for number, sink in enumerate(sinks):
            subscribe(channels, dialects[number % 2], sink)
        await channels.emit(KEY, fact(1), fact(2))
        await channels.emit(KEY, fact(3))
        await wait_all_tasks_blocked()
        assert [dialect.encoded for dialect in dialects] == [[1, 2, 3], [1, 2, 3]]
        assert {sink.writes for sink in sinks} <= {1, 2}
        assert {tuple(read_back(line).offset for line in sink.lines) for sink in sinks} == {(1, 2, 3)}
        nursery.cancel_scope.cancel()


async def test_what_waits_in_the_mailbox_goes_out_in_one_write(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(in_place=-1))
        sink = MemorySink()
        subscribe(channels, Lines(), sink)
        await channels.publish(KEY, fact(0))
        before = sink.writes
        async with trio.open_nursery() as publishers:
            for number in range(1, 11):
                publishers.start_soon(channels.publish, KEY, fact(number))
        assert sink.writes == before + 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("subscribers", [SUBSCRIBERS, 3 * SUBSCRIBERS])
async def test_others_run_in_the_midst_of_a_fan_out(autojump_clock: trio.abc.Clock, subscribers: int) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        encoder, sinks = Lines(), [MemorySink() for _ in range(subscribers)]
        for sink in sinks:
            subscribe(channels, encoder, sink)
        seen = [0]

        async def look() -> None:
            while seen[-1] < subscribers:
                await trio.lowlevel.checkpoint()
                seen.append(sum(sink.writes for sink in sinks))

        with trio.fail_after(10):
            async with trio.open_nursery() as bystanders:
                bystanders.start_soon(look)
                await channels.emit(KEY, fact(1))
        # Two steps of 256: a tick may run the fan-out last, and the next one first.
        assert max(after - before for before, after in pairwise(seen)) <= 512
        nursery.cancel_scope.cancel()
