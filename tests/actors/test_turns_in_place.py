"""Turns that a publisher takes in its own task: the same as the actor's, and the actor's where they fail."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, assert_checkpoints, wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.childspec import ChildSpec
from actors.errors import CallboardError, ErrorCode
from actors.event import draft
from actors.mailbox import Reply
from actors.position import Position
from actors.spawner import CannotSpawn
from tests.support.drafts import KEY, fact
from tests.support.readers import Fragile, Reader
from tests.support.spawners import RestartingSpawner
from tests.support.world import Lines, NurserySpawner


class Choosy(RestartingSpawner):
    """Takes children only while it is told to."""

    takes = False

    def start_child_nowait(self, spec: ChildSpec) -> None:
        if not self.takes:
            raise CannotSpawn("full")
        super().start_child_nowait(spec)


async def test_a_small_audience_needs_no_task_and_no_wait(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        channels = Channels(spawner, {}, ChannelsOptions(in_place=2))
        readers = [Reader(nursery) for _ in range(3)]
        for reader in readers[:2]:
            reader.attach(channels, Lines())
        await channels.emit(KEY, fact(1), fact(2))
        assert [reader.offsets for reader in readers[:2]] == [[1, 2]] * 2
        assert (await channels.publish(KEY, fact(3))).offset == 3
        assert spawner.started == 0
        readers[2].attach(channels, Lines())
        await channels.publish(KEY, fact(4))
        await wait_all_tasks_blocked()
        assert [reader.offsets for reader in readers] == [[1, 2, 3, 4], [1, 2, 3, 4], [4]]
        assert spawner.started == 1
        nursery.cancel_scope.cancel()


async def test_each_is_a_checkpoint(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        with assert_checkpoints():
            await channels.emit(KEY, fact(1))
        with assert_checkpoints():
            await channels.submit(KEY, fact(2))


@pytest.mark.parametrize("has_task", [False, True])
async def test_a_crash_is_the_topics_and_not_the_publishers(autojump_clock: trio.abc.Clock, has_task: bool) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        channels = Channels(spawner, {}, ChannelsOptions(in_place=3))
        early, reader, late = (Reader(nursery) for _ in range(3))
        early.attach(channels, Lines())
        reader.attach(channels, Fragile(2))
        late.attach(channels, Lines())
        if has_task:
            extra = Reader(nursery).attach(channels, Lines())
            await channels.publish(KEY, fact(1))
            channels.unsubscribe(extra)
        else:
            await channels.emit(KEY, fact(1))
        await wait_all_tasks_blocked()
        assert (spawner.running, spawner.started) == (int(has_task), int(has_task))
        assert (await channels.publish(KEY, fact(2))).offset == 2
        await channels.emit(KEY, fact(3))
        await wait_all_tasks_blocked()
        # An actor that had no task has looked for who is behind before it came to the crash.
        behind = [1] if has_task else [1, 2]
        assert (early.offsets, reader.offsets, late.offsets) == ([1, 2], behind, behind)
        assert (spawner.running, spawner.started) == (0, 1)
        spawner.gate.set()
        await wait_all_tasks_blocked()
        assert [one.offsets for one in (early, reader, late)] == [[1, 2, 3]] * 3
        # The actor has nothing more to do: the next turn is in place again.
        await channels.emit(KEY, fact(4))
        assert reader.offsets == [1, 2, 3, 4]
        nursery.cancel_scope.cancel()


async def test_a_crash_waits_for_a_supervisor_that_takes_the_actor(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = Choosy(nursery)
        spawner.gate.set()
        channels = Channels(spawner, {})
        reader = Reader(nursery)
        reader.attach(channels, Fragile(1))
        await channels.emit(KEY, fact(1))
        with pytest.raises(CallboardError) as refused:
            await channels.publish(KEY, fact(2))
        assert refused.value.code is ErrorCode.BUSY
        spawner.takes = True
        assert (await channels.publish(KEY, fact(3))).offset == 2
        await wait_all_tasks_blocked()
        assert reader.offsets == [1, 2]
        assert spawner.started == 2
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("goes_on", ["revive", "sweep"])
async def test_what_the_engine_says_waits_for_a_supervisor_that_takes_the_actor(
    autojump_clock: trio.abc.Clock, goes_on: str
) -> None:
    async with trio.open_nursery() as nursery:
        spawner = Choosy(nursery)
        channels = Channels(spawner, {}, ChannelsOptions(in_place=-1))
        reader = Reader(nursery)
        reader.attach(channels, Lines())
        await channels.emit(KEY, fact(1))
        channels.revive()
        await channels.sweep.run()
        assert reader.offsets == [], "nobody is there to append it"
        spawner.takes = True
        if goes_on == "revive":
            channels.revive()
        else:
            await channels.sweep.run()
        await wait_all_tasks_blocked()
        assert reader.offsets == [1]
        assert (spawner.running, spawner.started) == (1, 1)
        nursery.cancel_scope.cancel()


async def test_no_turn_in_place_while_the_actor_is_asked_to_park(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        spawner = RestartingSpawner(nursery)
        spawner.gate.set()
        channels = Channels(spawner, {}, ChannelsOptions(mailbox=1, in_place=1))
        reader = Reader(nursery)
        reader.attach(channels, Fragile(2))
        extra = Reader(nursery).attach(channels, Lines())
        await channels.publish(KEY, fact(1))
        channels.unsubscribe(extra)
        # One is on its way to the actor, and the other fills the mailbox.
        for _ in range(2):
            channels._live[KEY].park_nowait()
        await channels.emit(KEY, fact(2))
        await channels.emit(KEY, fact(3))
        await wait_all_tasks_blocked()
        assert reader.offsets == [1, 2, 3]
        nursery.cancel_scope.cancel()


async def test_cancelled_before_it_publishes_nothing_and_afterwards_all(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        reader = Reader(nursery)
        reader.attach(channels, Lines())
        with trio.CancelScope() as scope:
            scope.cancel()
            await channels.emit(KEY, fact(1))
        assert scope.cancelled_caught
        assert reader.offsets == []
        went_on = trio.Event()

        async def publish() -> None:
            await channels.emit(KEY, fact(2))
            went_on.set()
            await trio.sleep_forever()

        async with trio.open_nursery() as inner:
            inner.start_soon(publish)
            while not reader.offsets:
                await trio.lowlevel.checkpoint()
            # The publisher has taken its turn, and may not have come back from it.
            inner.cancel_scope.cancel()
        assert went_on.is_set()
        assert reader.offsets == [1]


async def test_who_publishes_at_the_same_time_is_joined(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        reader = Reader(nursery)
        reader.attach(channels, Lines())
        async with trio.open_nursery() as publishers:
            for number in range(16):
                publishers.start_soon(channels.emit, KEY, fact(number))
        await wait_all_tasks_blocked()
        assert reader.offsets == list(range(1, 17))
        assert reader.sink.writes == 2, "the first alone, and the others in one"
        nursery.cancel_scope.cancel()


async def test_a_topic_that_is_gone(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        reader = Reader(nursery)
        reader.attach(channels, Lines())
        await channels.emit(KEY, fact(1))
        channels.forget(KEY)
        assert (await channels.publish(KEY, fact(2))).offset == 1, "another life of the topic"
        assert reader.offsets == [1]


class Publisher:
    """Publishes its numbers in order until it is cancelled, and knows how many of them were taken."""

    def __init__(self, name: int, channels: Channels, submits: bool) -> None:
        self.name = name
        self.taken = 0
        self.replies: list[Reply[Position]] = []
        self._channels = channels
        self._submits = submits

    async def run(self, count: int) -> None:
        for number in range(count):
            one = draft("fact", [self.name, number], timestamp=1)
            if self._submits:
                self.replies.append(await self._channels.submit(KEY, one))
            else:
                await self._channels.emit(KEY, one)
            self.taken += 1


@given(
    in_place=st.sampled_from([-1, 0, 1, 2, 32]),
    mailbox=st.integers(1, 3),
    publishers=st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 12)), min_size=1, max_size=5),
    readers=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 10)), max_size=4),
    crash=st.integers(0, 20),
)
def test_it_makes_no_difference_who_takes_the_turn(
    in_place: int,
    mailbox: int,
    publishers: list[tuple[int, bool, int]],
    readers: list[tuple[int, int]],
    crash: int,
) -> None:
    """Publishers of so many events each, some cancelled after some ticks, readers that come and go, and one crash."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            spawner = RestartingSpawner(nursery)
            spawner.gate.set()
            channels = Channels(spawner, {}, ChannelsOptions(mailbox=mailbox, in_place=in_place))
            encoder = Fragile(crash)
            steady = Reader(nursery)
            steady.attach(channels, encoder)

            async def visit(come: int, stay: int) -> None:
                for _ in range(come):
                    await trio.lowlevel.checkpoint()
                guest = Reader(nursery)
                subscription = guest.attach(channels, encoder)
                begin = subscription.offset
                for _ in range(stay):
                    await trio.lowlevel.checkpoint()
                channels.unsubscribe(subscription)
                assert guest.offsets == list(range(begin + 1, begin + 1 + len(guest.offsets)))

            async def publish(publisher: Publisher, count: int, ticks: int) -> None:
                async with trio.open_nursery() as run:
                    run.start_soon(publisher.run, count)
                    for _ in range(ticks):
                        await trio.lowlevel.checkpoint()
                    if ticks % 2:
                        run.cancel_scope.cancel()

            all_of_them = [Publisher(name, channels, submits) for name, (_, submits, _) in enumerate(publishers)]
            async with trio.open_nursery() as busy:
                for publisher, (count, _, ticks) in zip(all_of_them, publishers, strict=True):
                    busy.start_soon(publish, publisher, count, ticks)
                for come, stay in readers:
                    busy.start_soon(visit, come, stay)
            await wait_all_tasks_blocked()
            log = channels.log(KEY)
            told = [event.data for event in log.read(0, max_events=1000, max_bytes=1 << 20)]
            for publisher in all_of_them:
                own = [one for one in told if isinstance(one, list) and one[0] == publisher.name]
                assert own == [[publisher.name, number] for number in range(publisher.taken)]
                places = [(await reply.wait()).offset for reply in publisher.replies]
                assert [told[place - 1] for place in places] == own[: len(places)]
            assert steady.offsets == list(range(1, log.tail + 1))
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))
