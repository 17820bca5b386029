"""Topics derived from others: what a reader reads, what a feed makes of it, and how feeds come and go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.errors import CallboardError
from actors.event import ChannelKey, Draft, Event, draft
from actors.feeds import Feeds, FeedsOptions
from actors.projection import NothingHeldBack, NothingRemembered
from actors.reader import Reader
from actors.redaction import REDACTED, TaskRedaction
from actors.resumption import Resumption
from actors.retention import Retention
from tests.support.spawners import RestartingSpawner
from tests.support.world import NurserySpawner

SOURCE = ChannelKey("task", "one", "alice")
FEED = ChannelKey("feed", "all", "alice")
FROM_THE_START = Resumption(0, None)


class Tells(NothingRemembered):
    """Begins what it says with the name of the task."""

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        return lambda event: str(event.data).startswith(redaction.task_id)


class Echo(NothingHeldBack, Tells):
    """Says of each event where it came from."""

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        return (draft("seen", f"{event.key.topic} {event.event_type} {event.offset}"),)


class Late(Tells):
    """Says after ten seconds how many events came meanwhile."""

    def __init__(self) -> None:
        self.due = math.inf
        self._count = 0

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        self._count += 1
        self.due = min(self.due, now + 10)
        return ()

    def flush(self, now: float) -> Sequence[Draft]:
        count, self._count, self.due = self._count, 0, math.inf
        return (draft("count", count),)


def said(channels: Channels, key: ChannelKey = FEED) -> list[object]:
    return [event.data for event in channels.log(key).read(0, max_events=1000, max_bytes=1 << 20)]


def fact(number: int) -> Draft:
    return draft("fact", number)


@given(bursts=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40)), max_size=12), kept=st.sampled_from([5, 1000]))
def test_a_reader_sees_every_event_of_every_topic_once_or_a_gap(bursts: list[tuple[int, int]], kept: int) -> None:
    async def read_all() -> None:
        async with trio.open_nursery() as nursery:
            channels = Channels(NurserySpawner(nursery), {"task": Retention(events=kept)})
            reader = Reader(channels)
            keys = [ChannelKey("task", f"t{number}", "alice") for number in range(3)]
            for key in keys:
                reader.add(key, FROM_THE_START)
            seen: dict[ChannelKey, list[int]] = {key: [] for key in keys}
            for index, (which, count) in enumerate(bursts):
                await channels.publish(keys[which], *map(fact, range(count)))
                if index % 3 == 2:
                    await take(reader, seen)
            await take(reader, seen)
            for key in keys:
                assert seen[key] == list(range(1, channels.log(key).tail + 1))
            nursery.cancel_scope.cancel()

    async def take(reader: Reader, seen: dict[ChannelKey, list[int]]) -> None:
        # The clock jumps once the reader waits.
        with trio.move_on_after(1):
            while True:
                for event in await reader.read():
                    data = event.data
                    if event.event_type == "gap" and isinstance(data, dict):
                        seen[event.key] += range(int(str(data["from"])), int(str(data["to"])) + 1)
                    else:
                        seen[event.key].append(event.offset)

    trio.run(read_all, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_feed_says_what_its_projection_makes_of_all_that_an_owner_has(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        feeds = Feeds(NurserySpawner(nursery), channels)
        feed = feeds.open(FEED, Retention(events=3), Echo)
        feeds.follow(feed, "task", "alice")
        feeds.follow(feed, "task", "alice")
        await channels.publish(ChannelKey("task", "hers", "bob"), fact(1))
        await channels.publish(SOURCE, fact(1))
        await channels.publish(SOURCE, draft("task.completed", {}))
        await wait_all_tasks_blocked()
        assert said(channels) == ["one fact 1", "one task.completed 2"]
        assert SOURCE not in feed.reader
        assert feeds.open(FEED, Retention(), Late) is feed
        nursery.cancel_scope.cancel()


async def test_revival_gives_a_feed_that_lives_no_double(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels, spawner = Channels(NurserySpawner(nursery), {}), RestartingSpawner(nursery)
        feeds = Feeds(spawner, channels)
        feeds.open(FEED, Retention(), Echo).add(SOURCE, FROM_THE_START)
        await wait_all_tasks_blocked()
        feeds.revive()
        await wait_all_tasks_blocked()
        assert (spawner.running, spawner.started) == (1, 2)
        await channels.publish(SOURCE, fact(1))
        await wait_all_tasks_blocked()
        assert said(channels) == ["one fact 1"]
        nursery.cancel_scope.cancel()


async def test_a_source_that_is_read_is_not_put_away(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=1))
        feed = Feeds(NurserySpawner(nursery), channels).open(FEED, Retention(), Echo)
        feed.add(SOURCE, FROM_THE_START)
        await channels.publish(SOURCE, fact(1))
        await trio.sleep(5)
        await channels.sweep.run()
        await channels.publish(SOURCE, fact(2))
        await wait_all_tasks_blocked()
        assert said(channels) == ["one fact 1", "one fact 2"]
        nursery.cancel_scope.cancel()


async def test_what_is_held_back_is_said_when_it_is_due(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        feed = Feeds(NurserySpawner(nursery), channels).open(FEED, Retention(), Late)
        feed.add(SOURCE, FROM_THE_START)
        for number in range(3):
            await channels.publish(SOURCE, fact(number))
            await trio.sleep(3)
        assert said(channels) == []
        await trio.sleep(2)
        assert said(channels) == [3]
        nursery.cancel_scope.cancel()


async def test_beyond_the_limit_a_feed_that_nobody_follows_is_given_up(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        feeds = Feeds(NurserySpawner(nursery), channels, FeedsOptions(feeds=1))
        first = feeds.open(FEED, Retention(), Echo)
        feeds.follow(first, "task", "alice")
        second = feeds.open(ChannelKey("feed", "all", "bob"), Retention(), Echo)
        await channels.publish(SOURCE, fact(1))
        await wait_all_tasks_blocked()
        assert len(feeds) == 1
        assert feeds.open(second.key, Retention(), Echo) is second
        assert not channels.exists(FEED)
        nursery.cancel_scope.cancel()


async def test_feeds_that_are_all_followed_are_not_given_up(autojump_clock: trio.abc.Clock) -> None:
    class AllFollowed(Channels):
        def is_followed(self, key: ChannelKey) -> bool:
            return True

    async with trio.open_nursery() as nursery:
        channels = AllFollowed(NurserySpawner(nursery), {})
        feeds = Feeds(NurserySpawner(nursery), channels, FeedsOptions(feeds=1))
        feeds.open(FEED, Retention(), Echo)
        with pytest.raises(CallboardError, match="1 feeds are in use"):
            feeds.open(ChannelKey("feed", "all", "bob"), Retention(), Echo)
        nursery.cancel_scope.cancel()


async def test_a_replay_begins_with_what_is_there_and_nothing_is_read_again(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=1))
        feeds = Feeds(NurserySpawner(nursery), channels)
        await channels.publish(SOURCE, fact(1))
        feed = feeds.open(FEED, Retention(), Echo)
        feeds.follow(feed, "task", "alice", replay=True)
        await channels.publish(SOURCE, draft("task.completed", {}))
        await wait_all_tasks_blocked()
        assert said(channels) == ["one fact 1", "one task.completed 2"]
        await trio.sleep(5)
        await channels.sweep.run()
        # Looked up again: it opens anew.
        assert channels.log(SOURCE).tail == 2
        await wait_all_tasks_blocked()
        assert said(channels) == ["one fact 1", "one task.completed 2"]
        assert len(feed.reader) == 0
        nursery.cancel_scope.cancel()


async def test_what_a_feed_has_said_of_a_task_is_taken_back_in_its_place(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {})
        feeds = Feeds(NurserySpawner(nursery), channels)
        feed = feeds.open(FEED, Retention(), Echo)
        for topic in ("one", "two"):
            key = ChannelKey("task", topic, "alice")
            feed.add(key, FROM_THE_START)
            await channels.publish(key, fact(1))
        await wait_all_tasks_blocked()
        await feeds.redact("bob", TaskRedaction("one", asked=True))
        assert REDACTED not in [event.event_type for event in channels.log(FEED).read(0, max_events=9, max_bytes=999)]
        await feeds.redact("alice", TaskRedaction("one", asked=True))
        assert said(channels) == [{}, "two fact 1"]
        assert [event.offset for event in channels.log(FEED).read(0, max_events=9, max_bytes=999)] == [1, 2]
        nursery.cancel_scope.cancel()
