"""What a feed holds on to: a cursor for each source that may still say something, and none for the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey, Draft, Event, draft, now_ms
from actors.feed import Feed
from actors.feeds import Feeds
from actors.projection import NothingHeldBack, NothingRemembered
from actors.redaction import TaskRedaction
from actors.retention import Retention
from tests.support.world import Lines, MemorySink, NurserySpawner, World

FEED = ChannelKey("feed", "all", "alice")
ENDS = ("task.completed", "task.failed", "task.cancelled")


class Echo(NothingHeldBack, NothingRemembered):
    def project(self, event: Event, now: float) -> Sequence[Draft]:
        return (draft("seen", f"{event.key.topic} {event.event_type}"),)

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        return lambda event: False


class Scene:
    """Channels, and one feed of all that alice's tasks say."""

    def __init__(self, nursery: trio.Nursery, retention: Retention | None = None) -> None:
        kept = {} if retention is None else {"task": retention}
        self.channels = Channels(NurserySpawner(nursery), kept, ChannelsOptions(idle_seconds=1))
        self.feeds = Feeds(NurserySpawner(nursery), self.channels)

    def feed(self, *, replay: bool = False) -> Feed:
        feed = self.feeds.open(FEED, Retention(events=100_000), Echo)
        self.feeds.follow(feed, "task", "alice", replay=replay)
        return feed

    async def run_task(self, number: int, *, timestamp: int | None = None) -> ChannelKey:
        key = ChannelKey("task", f"t{number}", "alice")
        await self.channels.publish(key, draft("task.started", {}, timestamp=timestamp))
        await self.channels.publish(key, draft(ENDS[number % 3], {}, timestamp=timestamp))
        return key

    def said(self) -> int:
        return self.channels.log(FEED).tail


@asynccontextmanager
async def scene(retention: Retention | None = None) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        yield Scene(nursery, retention)
        nursery.cancel_scope.cancel()


async def test_ten_thousand_tasks_that_have_ended_cost_no_cursor(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        before = [await here.run_task(number) for number in range(5_000)]
        feed = here.feed()
        running = ChannelKey("task", "runs", "alice")
        await here.channels.publish(running, draft("task.started", {}))
        after = [await here.run_task(number) for number in range(5_000, 10_000)]
        await wait_all_tasks_blocked()
        assert here.said() == 10_001, "all of the second half, and the one that runs"
        assert len(feed.reader) == 1
        await trio.sleep(5)
        await here.channels.sweep.run()
        assert here.channels.statistics().live == 1, "the one that runs: no topic of an ended task is held in use"
        # Somebody looks at each again: each is opened anew.
        for key in (*before, *after):
            assert here.channels.log(key).tail == 2
        await wait_all_tasks_blocked()
        assert (len(feed.reader), here.said()) == (1, 10_001)


async def test_a_replay_reads_the_ended_and_lets_them_go(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        for number in range(300):
            await here.run_task(number)
        feed = here.feed(replay=True)
        await wait_all_tasks_blocked()
        assert (here.said(), len(feed.reader)) == (600, 0)


@pytest.mark.parametrize("replay", [False, True])
async def test_an_ended_task_of_which_nothing_is_kept_costs_no_cursor(
    autojump_clock: trio.abc.Clock, replay: bool
) -> None:
    async with scene(Retention(seconds=1)) as here:
        key = await here.run_task(0, timestamp=now_ms() - 60_000)
        await here.channels.sweep.run()
        assert here.channels.log(key).first == 3
        feed = here.feed(replay=replay)
        await wait_all_tasks_blocked()
        assert (here.said(), len(feed.reader)) == (0, 0)


async def test_a_source_whose_end_was_dropped_before_it_was_read_is_let_go(autojump_clock: trio.abc.Clock) -> None:
    async with scene(Retention(seconds=1)) as here:
        feed = here.feed()
        key = ChannelKey("task", "t0", "alice")
        # The turns are taken in place: the feed's actor has not run when the sweep drops what it is to read.
        long_ago = now_ms() - 60_000
        here.channels.log(key).append(draft("task.started", {}, timestamp=long_ago))
        here.channels.log(key).append(draft("task.failed", {}, timestamp=long_ago))
        here.channels.log(key).trim(now_ms())
        feed.reader.notice(key)
        await wait_all_tasks_blocked()
        assert (here.said(), len(feed.reader)) == (1, 0), "the gap was told"


async def test_a_topic_is_heard_through_a_feed_that_is(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        channels, key = world.channels, ChannelKey("task", "t1", "alice")
        feed = world.feeds.open(FEED, Retention(), Echo)
        world.feeds.follow(feed, "task", "alice")
        await channels.publish(key, draft("task.started", {}))
        assert (channels.is_followed(key), channels.is_heard(key)) == (True, False)
        connection, _ = world.connect(None, MemorySink())
        subscription = channels.subscribe(FEED, connection.outbox, Lines(), channels.resume(FEED, None))
        assert channels.is_heard(key)
        assert not channels.is_heard(ChannelKey("task", "t2", "bob")), "which was never opened"
        channels.unsubscribe(subscription)
        assert not channels.is_heard(key)
        nursery.cancel_scope.cancel()
