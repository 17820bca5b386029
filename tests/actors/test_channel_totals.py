"""The figures of all topics are kept as they change, and agree with what there is."""

from __future__ import annotations

import random

import trio

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey, now_ms
from actors.event import draft as draft_of
from actors.follower import Follower
from actors.outbox import Outbox, OutboxOptions
from actors.retention import Retention
from actors.subscription import Subscription
from tests.support.spawners import NoSpawner
from tests.support.world import Lines, MemorySink

OWNERS = ("", "alice", "bob")


async def test_the_totals_agree_with_the_topics(autojump_clock: trio.abc.Clock) -> None:
    rolls = random.Random(3)
    async with trio.open_nursery() as nursery:
        kept = {"app": Retention(events=4, bytes=2_000, seconds=60.0)}
        channels = Channels(NoSpawner(), kept, ChannelsOptions(idle_seconds=10.0, topics=5))
        outbox = Outbox(MemorySink(), nursery.start_soon, OutboxOptions())
        keys = [ChannelKey("app", f"t{number}", OWNERS[number % 3]) for number in range(12)]
        held: list[Subscription] = []
        published = 0
        for _ in range(600):
            key = rolls.choice(keys)
            match rolls.randrange(6):
                case 0 | 1:
                    age = rolls.choice((0, 61_000))
                    await channels.publish(key, draft_of("fact", "x" * rolls.randrange(300), timestamp=now_ms() - age))
                    published += 1
                case 2:
                    held.append(channels.subscribe(key, outbox, Lines(), channels.resume(key, None)))
                case 3 if held:
                    # Now and then twice, or where the topic is another by now.
                    channels.unsubscribe(rolls.choice(held))
                case 4:
                    channels.forget(key)
                case 5:
                    await trio.sleep(rolls.choice((1, 11)))
                    await channels.sweep.run()
            figures = channels.statistics()
            logs = [channel.log for channel in channels._live.values()] + list(channels._topics.shelf.logs())
            assert figures.retained_bytes == sum(log.statistics().bytes for log in logs)
            assert figures.subscriptions == sum(channel.subscribers for channel in channels._live.values())
            assert figures.events == published
        for key in keys:
            channels.forget(key)
        assert (channels.statistics().retained_bytes, channels.statistics().subscriptions) == (0, 0)
        assert len(channels._topics._live_keys) == 0
        nursery.cancel_scope.cancel()


async def test_a_follower_is_found_by_what_it_sees(autojump_clock: trio.abc.Clock) -> None:
    channels = Channels(NoSpawner(), {})
    attached: dict[str, list[ChannelKey]] = {"alice": [], "root": []}
    for name, owner in (("alice", "alice"), ("root", None)):
        channels.create(ChannelKey("app", f"{name}-early", "alice"))
        follower = Follower("app", owner, attached[name].append, lambda key: None)
        channels.followers.follow(follower)
        channels.create(ChannelKey("app", f"{name}-bobs", "bob"))
        channels.create(ChannelKey("app", f"{name}-commons", ""))
        channels.create(ChannelKey("task", f"{name}-task", "alice"))
        assert channels.statistics().followers == 1
        channels.followers.unfollow(follower)
        channels.followers.unfollow(follower)
        channels.create(ChannelKey("app", f"{name}-late", "alice"))
        assert channels.statistics().followers == len(channels.followers) == 0
    followers = {name: [key.topic for key in keys] for name, keys in attached.items()}
    assert followers["alice"] == ["alice-early", "alice-commons"]
    assert sorted(followers["root"]) == sorted(
        ["alice-early", "alice-commons", "alice-bobs", "alice-late", "root-early", "root-bobs", "root-commons"]
    )
