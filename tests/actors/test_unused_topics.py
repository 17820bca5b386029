"""Asking for topics that nobody publishes to costs nobody else's."""

from __future__ import annotations

import trio

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey
from tests.support.drafts import fact
from tests.support.world import NurserySpawner

USED = ChannelKey("app", "used")


def app(number: int) -> ChannelKey:
    return ChannelKey("app", f"asked-{number}")


async def test_names_that_were_only_asked_for_drive_no_log_out(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=10.0, topics=3))
        position = await channels.publish(USED, fact(1))
        await trio.sleep(11)
        await channels.sweep.run()
        for number in range(20):
            channels.log(app(number))
        await trio.sleep(11)
        await channels.sweep.run()
        assert channels.log(USED).position == position
        assert [number for number in range(20) if channels.exists(app(number))] == [17, 18, 19]
        nursery.cancel_scope.cancel()


async def test_an_unused_topic_keeps_its_epoch_on_the_shelf(autojump_clock: trio.abc.Clock) -> None:
    """Whoever got a position before the first event resumes there without a gap."""
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=10.0))
        position = channels.create(app(1))
        await trio.sleep(11)
        await channels.sweep.run()
        assert channels.statistics().shelved == 1
        await channels.publish(app(1), fact(1))
        start = channels.resume(app(1), position)
        assert (start.offset, start.gap) == (0, None)
        nursery.cancel_scope.cancel()


async def test_a_forgotten_unused_topic_is_gone(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=10.0))
        channels.create(app(1))
        await trio.sleep(11)
        await channels.sweep.run()
        channels.forget(app(1))
        assert not channels.exists(app(1))
        nursery.cancel_scope.cancel()
