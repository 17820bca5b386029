from __future__ import annotations

import random

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channel import Addition
from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.errors import CallboardError, ErrorCode
from actors.last_publisher import LastPublisher
from actors.mailbox import Reply
from actors.position import Position
from actors.resumption import Resumption
from actors.subscription import Subscription
from actors.volatile_channel import VolatileChannel
from tests.support.drafts import KEY, check_tiles, fact, log_of, read_back, text
from tests.support.readers import Fragile, Reader
from tests.support.spawners import MortalSpawner, NoSpawner, RestartingSpawner
from tests.support.world import Lines, NurserySpawner

BY_ACTOR = ChannelsOptions(in_place=-1)
"""Every turn is the actor's own: those taken in place are tests/actors/test_turns_in_place.py's."""


async def test_a_crash_in_mid_fan_out_loses_and_doubles_nothing(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        channels = Channels(spawner, {}, BY_ACTOR)
        steady, fragile = Lines(), Fragile(3)
        readers = [Reader(nursery) for _ in range(3)]
        # The second of three groups fails: one has the events already, one never got its turn.
        for reader, encoder in zip(readers, (steady, fragile, Lines()), strict=True):
            reader.attach(channels, encoder)
        await channels.publish(KEY, fact(1), fact(2))
        assert (await channels.publish(KEY, fact(3))).offset == 3
        await wait_all_tasks_blocked()
        assert [reader.offsets for reader in readers] == [[1, 2, 3], [1, 2], [1, 2]]
        # While it waits for its restart, publishing starts no second actor.
        await channels.emit(KEY, fact(4))
        await wait_all_tasks_blocked()
        assert (spawner.running, spawner.started) == (0, 1)
        spawner.gate.set()
        await wait_all_tasks_blocked()
        assert [reader.offsets for reader in readers] == [[1, 2, 3, 4]] * 3
        assert spawner.running == 1
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("by_supervisor", [True, False])
async def test_who_a_crash_left_behind_reads_on_without_a_new_event(
    autojump_clock: trio.abc.Clock, by_supervisor: bool
) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        channels = Channels(spawner, {}, BY_ACTOR)
        reader = Reader(nursery)
        reader.attach(channels, Fragile(1))
        await channels.publish(KEY, fact(1))
        await wait_all_tasks_blocked()
        assert reader.offsets == []
        if by_supervisor:
            spawner.gate.set()
        else:
            channels.revive()
        await wait_all_tasks_blocked()
        assert reader.offsets == [1]
        nursery.cancel_scope.cancel()


async def test_a_fan_out_to_many_while_people_come_and_go(autojump_clock: trio.abc.Clock) -> None:
    chance = random.Random(7)
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, BY_ACTOR)
        encoders = (Lines(), Lines())
        crowd: dict[Subscription, tuple[Reader, int]] = {}
        gone: list[tuple[Reader, int, int]] = []

        def join() -> None:
            reader = Reader(nursery, chance.choice([None, None, 40]))
            subscription = reader.attach(channels, chance.choice(encoders))
            crowd[subscription] = (reader, subscription.offset)

        def leave() -> None:
            subscription = chance.choice(list(crowd))
            reader, begin = crowd.pop(subscription)
            channels.unsubscribe(subscription)
            gone.append((reader, begin, len(reader.sink.written)))

        for _ in range(1000):
            join()
        for number in range(30):
            await channels.emit(KEY, fact(number))
            # Each tick lets the fan-out come as far as its next checkpoint.
            for _ in range(chance.randrange(6)):
                for change in chance.choices((join, leave), k=5):
                    change()
                await trio.lowlevel.checkpoint()
        tail = (await channels.publish(KEY, fact(30))).offset
        for reader, _ in crowd.values():
            reader.sink.let_through(None)
        await wait_all_tasks_blocked()
        for reader, begin in crowd.values():
            check_tiles([read_back(line) for line in reader.sink.lines], begin, tail)
        for reader, begin, length in gone:
            assert len(reader.sink.written) == length
            whole = reader.sink.lines
            check_tiles([read_back(line) for line in whole], begin, begin + len(whole))
        assert len(gone) > 30
        nursery.cancel_scope.cancel()


async def test_leaving_and_coming_again_in_the_midst_of_a_fan_out(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, BY_ACTOR)
        encoder = Lines()
        # So many that the fan-out has seven checkpoints before it comes to the last one.
        for _ in range(2000):
            Reader(nursery).attach(channels, encoder)
        reader = Reader(nursery)
        first = reader.attach(channels, encoder)
        await channels.emit(KEY, fact(1))
        while channels.log(KEY).tail == 0:
            await trio.lowlevel.checkpoint()
        assert first.offset == 0, "the fan-out has not come as far as this reader"
        channels.unsubscribe(first)
        channels.subscribe(KEY, reader.outbox, encoder, Resumption(0, None))
        await channels.publish(KEY, fact(2))
        await wait_all_tasks_blocked()
        assert reader.offsets == [1, 2]
        nursery.cancel_scope.cancel()


async def test_an_idle_actor_parks_and_comes_back(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        channels = Channels(spawner, {}, ChannelsOptions(idle_seconds=10.0, in_place=-1))
        reader = Reader(nursery)
        reader.attach(channels, Lines())
        assert spawner.started == 0, "a subscriber alone needs no actor"
        await channels.publish(KEY, fact(1))
        await trio.sleep(11)
        await channels.sweep.run()
        await wait_all_tasks_blocked()
        assert spawner.running == 0
        await channels.publish(KEY, fact(2))
        await wait_all_tasks_blocked()
        assert (spawner.running, spawner.started) == (1, 2)
        assert reader.offsets == [1, 2]
        nursery.cancel_scope.cancel()


async def test_a_request_to_park_is_overtaken_by_an_event(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        channel = VolatileChannel(log_of(), 10, spawner, -1, LastPublisher())
        await channel.add(Addition(KEY, (fact(1),)))
        await wait_all_tasks_blocked()
        # No checkpoint lies before the event, so that the actor has not taken either request.
        channel.park_nowait()
        channel.park_nowait()
        await channel.add(Addition(KEY, (fact(2),)))
        channel.park_nowait()
        reply: Reply[Position] = Reply()
        await channel.add(Addition(KEY, (fact(3),), reply=reply))
        assert (await reply.wait()).offset == 3
        assert (spawner.running, spawner.started) == (1, 1)
        nursery.cancel_scope.cancel()


async def test_a_full_mailbox_makes_the_publisher_wait(autojump_clock: trio.abc.Clock) -> None:
    channel = VolatileChannel(log_of(), 2, NoSpawner(), -1, LastPublisher())
    async with trio.open_nursery() as nursery:
        for content in "abc":
            nursery.start_soon(channel.add, Addition(KEY, (text(content),)))
        await wait_all_tasks_blocked()
        assert len(nursery.child_tasks) == 1
        assert channel.log.tail == 0
        nursery.start_soon(channel.run, trio.TASK_STATUS_IGNORED)
        await wait_all_tasks_blocked()
        assert channel.log.tail == 3
        nursery.cancel_scope.cancel()


async def test_a_closed_topic_refuses_who_waits_and_who_comes(autojump_clock: trio.abc.Clock) -> None:
    channel = VolatileChannel(log_of(), 1, NoSpawner(), -1, LastPublisher())
    reply: Reply[Position] = Reply()
    await channel.add(Addition(KEY, (fact(1),), reply=reply))
    channel.close()
    with pytest.raises(CallboardError) as refused:
        await reply.wait()
    assert refused.value.code is ErrorCode.NOT_FOUND
    with pytest.raises(trio.BrokenResourceError):
        await channel.add(Addition(KEY, (fact(2),)))
    await channel.run(trio.TASK_STATUS_IGNORED)
    assert channel.log.tail == 0


async def test_revival_after_the_supervisor_has_lost_its_children(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = MortalSpawner(nursery)
        channels = Channels(spawner, {}, BY_ACTOR)
        encoder = Fragile()
        reader = Reader(nursery)
        reader.attach(channels, encoder)
        await channels.publish(KEY, fact(1))
        spawner.lose_all()
        await wait_all_tasks_blocked()
        await channels.emit(KEY, fact(2))
        await wait_all_tasks_blocked()
        assert reader.offsets == [1], "nobody is there to append it"
        channels.revive()
        await wait_all_tasks_blocked()
        assert reader.offsets == [1, 2]
        spawner.lose_all()
        await wait_all_tasks_blocked()
        channels.revive()
        assert spawner.started == [], "it has nothing to do"
        await channels.publish(KEY, fact(3))
        assert reader.offsets == [1, 2, 3]
        nursery.cancel_scope.cancel()


async def test_revival_gives_an_actor_that_lives_no_double(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        channels = Channels(spawner, {}, BY_ACTOR)
        reader = Reader(nursery)
        reader.attach(channels, Fragile(1))
        await channels.publish(KEY, fact(1))
        await wait_all_tasks_blocked()
        channels.revive()
        await wait_all_tasks_blocked()
        # The supervisor's own restart of the actor that crashed comes late.
        spawner.gate.set()
        await wait_all_tasks_blocked()
        assert (spawner.running, spawner.started) == (1, 3)
        await channels.publish(KEY, fact(2))
        assert reader.offsets == [1, 2]
        nursery.cancel_scope.cancel()
