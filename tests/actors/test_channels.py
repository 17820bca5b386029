from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, draft, now_ms
from actors.follower import Follower
from actors.outbox import Outbox, OutboxOptions
from actors.retention import Retention
from actors.subscription import Subscription
from tests.support.drafts import Labelled, fact
from tests.support.spawners import NoSpawner
from tests.support.world import MemorySink, NurserySpawner


class Fan:
    """Follows a channel, seeing what alice owns."""

    def __init__(self, nursery: trio.Nursery, channels: Channels) -> None:
        self.sink = MemorySink()
        self.subscriptions: dict[ChannelKey, Subscription] = {}
        self.forgotten: list[ChannelKey] = []
        self._channels = channels
        self._outbox = Outbox(self.sink, nursery.start_soon, OutboxOptions())
        self.follower = Follower("task", "alice", self.attach, self.forgotten.append)

    def attach(self, key: ChannelKey) -> None:
        start = self._channels.resume(key, None)
        self.subscriptions[key] = self._channels.subscribe(key, self._outbox, Labelled(), start)

    @property
    def seen(self) -> list[str]:
        return [" ".join(line.split(" ")[:2]) for line in self.sink.lines]


def task(topic: str, owner: str = "alice") -> ChannelKey:
    return ChannelKey("task", topic, owner)


async def test_a_follower_sees_what_is_and_what_comes_and_only_that(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        channels.create(task("old"))
        fan = Fan(nursery, channels)
        channels.followers.follow(fan.follower)
        for key in (task("old"), task("new"), task("bobs", "bob"), ChannelKey("app", "new", "alice"), task("new")):
            await channels.publish(key, fact(1))
        await wait_all_tasks_blocked()
        assert fan.seen == ["old 1-1", "new 1-1", "new 2-2"]
        assert channels.statistics().followers == 1
        channels.followers.unfollow(fan.follower)
        await channels.publish(task("newer"), fact(1))
        assert fan.seen == ["old 1-1", "new 1-1", "new 2-2"]
        assert channels.statistics().followers == 0
        nursery.cancel_scope.cancel()


async def test_an_idle_topic_is_put_away_with_its_log(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=10.0))
        key = task("t")
        position = await channels.publish(key, fact(1))
        await trio.sleep(9)
        await channels.sweep.run()
        assert channels.statistics().live == 1
        await trio.sleep(2)
        await channels.sweep.run()
        await wait_all_tasks_blocked()
        figures = channels.statistics()
        assert (figures.live, figures.shelved, figures.events) == (0, 1, 1)
        assert not nursery.child_tasks
        fan = Fan(nursery, channels)
        channels.followers.follow(fan.follower)
        again = await channels.publish(key, fact(2))
        assert (again.epoch, again.offset) == (position.epoch, 2)
        assert fan.seen == ["t 2-2"]
        nursery.cancel_scope.cancel()


async def test_beyond_the_limit_the_longest_unused_is_forgotten(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=1.0, topics=2))
        for topic in "abc":
            await channels.publish(task(topic), fact(1))
            await trio.sleep(2)
            await channels.sweep.run()
        assert [channels.exists(task(topic)) for topic in "abc"] == [False, True, True]
        assert channels.statistics().events == 3
        assert channels.statistics().shelved == 2
        nursery.cancel_scope.cancel()


async def test_forgetting_tells_the_followers_and_ends_the_subscriptions(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        fan = Fan(nursery, channels)
        channels.followers.follow(fan.follower)
        epoch = (await channels.publish(task("t"), fact(1))).epoch
        before = fan.subscriptions[task("t")]
        channels.forget(task("t"))
        channels.forget(task("never there"))
        assert fan.forgotten == [task("t")]
        assert not channels.exists(task("t"))
        channels.unsubscribe(before)
        again = await channels.publish(task("t"), fact(2))
        assert again.offset == 1
        assert again.epoch != epoch
        assert channels.statistics().subscriptions == 1
        assert channels.statistics().events == 2
        nursery.cancel_scope.cancel()


async def test_what_waits_of_a_forgotten_topic_is_read_or_left(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        fans = [Fan(nursery, channels) for _ in range(2)]
        for fan in fans:
            fan.sink.close_up()
            channels.followers.follow(fan.follower)
            await channels.publish(task("t"), fact(1))
        await channels.publish(task("t"), fact(2))
        channels.forget(task("t"))
        channels.unsubscribe(fans[1].subscriptions[task("t")])
        for fan in fans:
            fan.sink.let_through(None)
        await wait_all_tasks_blocked()
        assert fans[0].seen == ["t 1-1", "t 2-2", "t 3-3"]
        assert fans[1].seen == ["t 2-2"], "what was being written already"
        nursery.cancel_scope.cancel()


async def test_old_events_go_with_time_on_the_shelf_too(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        retention = {"task": Retention(seconds=60.0)}
        channels = Channels(NurserySpawner(nursery), retention, ChannelsOptions(idle_seconds=1.0))
        old = draft("fact", 1, timestamp=now_ms() - 61_000)
        for topic in "ab":
            await channels.publish(task(topic), old, draft("fact", 2))
        await trio.sleep(2)
        await channels.sweep.run()
        assert channels.statistics().shelved == 2
        await channels.sweep.run()
        assert channels.log(task("a")).first == channels.log(task("b")).first == 2
        nursery.cancel_scope.cancel()


async def test_a_topic_that_takes_nothing_is_busy(autojump_clock: trio.abc.Clock) -> None:
    channels = Channels(NoSpawner(), {}, ChannelsOptions(mailbox=1, publish_seconds=3.0, in_place=-1))
    await channels.emit(task("t"), fact(1))
    begin = trio.current_time()
    with pytest.raises(CallboardError) as refused:
        await channels.publish(task("t"), fact(2))
    assert refused.value.code is ErrorCode.BUSY
    assert refused.value.retry_after is not None
    assert trio.current_time() - begin == pytest.approx(3.0)


async def test_what_was_taken_is_never_refused_as_busy(autojump_clock: trio.abc.Clock) -> None:
    """A publisher who is told `busy` publishes again: the event must then not have been taken."""
    async with trio.open_nursery() as nursery:
        channels = Channels(NoSpawner(), {}, ChannelsOptions(publish_seconds=3.0, in_place=-1))
        outcome: list[str] = []

        async def publish() -> None:
            with pytest.raises(CallboardError) as refused:
                await channels.publish(task("t"), fact(1))
            outcome.append(refused.value.code)

        nursery.start_soon(publish)
        await trio.sleep(100)
        assert outcome == []
        channels.forget(task("t"))
        await wait_all_tasks_blocked()
        assert outcome == [ErrorCode.NOT_FOUND]
