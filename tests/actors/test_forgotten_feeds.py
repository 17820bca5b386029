"""Feeds that are no more: nothing is kept of them, neither of those that nobody uses nor of those crowded out."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from actors.event import ChannelKey, Draft, draft, now_ms
from actors.projection import Projection
from actors.resumption import Resumption
from actors.retention import Retention
from actors.store import own_kind
from tests.actors.test_kept_feed import Echo
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore

WALLET = ChannelKey("feed", "wallet", "alice")
ROOM = ChannelKey("feed", "room.s1", "alice")
NEWS = ChannelKey("system", "news", "alice")
DAY_MS = 24 * 3600 * 1000
MONTH_MS = 31 * DAY_MS


def fact(number: int) -> Draft:
    return draft("fact", number)


def follow(core: KeptCore, key: ChannelKey) -> Projection:
    feed = core.feeds.open(key, Retention(events=100), Echo)
    feed.add(NEWS, core.channels.resume(NEWS, None))
    core.feeds.follow(feed, "task", "alice")
    return feed.projection


async def used(store: MemoryStore, *keys: ChannelKey) -> None:
    """A life in which these feeds tell something."""
    async with kept_core(store) as core:
        for key in keys:
            follow(core, key)
        await core.channels.publish(NEWS, fact(1))
        await wait_all_tasks_blocked()
    for key in keys:
        assert store.events(key)
        assert await store.records(own_kind(key))


async def assert_gone(store: MemoryStore, key: ChannelKey) -> None:
    assert store.events(key) == []
    assert await store.records(own_kind(key)) == []
    assert key not in [topic.key for topic in await store.topics()]


async def test_what_nobody_has_used_for_a_month_is_forgotten(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    await used(store, WALLET, ROOM)
    async with kept_core(store) as core:
        core.feeds.know("wallet", Echo)
        await core.feeds.sweep(now_ms() + MONTH_MS - 2 * DAY_MS)
        await wait_all_tasks_blocked()
        assert store.events(WALLET)
        await core.feeds.sweep(now_ms() + MONTH_MS)
        await wait_all_tasks_blocked()
        await assert_gone(store, WALLET)
        assert store.events(ROOM), "it goes with its conversation"
        follow(core, WALLET)
        await core.channels.publish(NEWS, fact(2))
        await wait_all_tasks_blocked()
        assert [event.data for event in store.events(WALLET)] == [["news", 2]]


async def test_one_that_is_followed_is_in_use(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        core.feeds.know("wallet", Echo)
        follow(core, WALLET)
        listening = core.feeds.open(ChannelKey("feed", "other", "alice"), Retention(), Echo).reader
        core.channels.watch(WALLET, listening)
        for months in (1, 2):
            await core.feeds.sweep(now_ms() + months * MONTH_MS)
        await wait_all_tasks_blocked()
        core.channels.unwatch(WALLET, listening)
    async with kept_core(store) as core:
        core.feeds.know("wallet", Echo)
        await core.feeds.sweep(now_ms() + 2 * MONTH_MS + DAY_MS)
        assert core.channels.exists(WALLET)
        await core.feeds.sweep(now_ms() + 3 * MONTH_MS + DAY_MS)
        await wait_all_tasks_blocked()
        await assert_gone(store, WALLET)


async def test_one_of_which_no_use_is_known_is_given_its_time(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        # As a fall leaves it between the opening of its topic and all else.
        core.channels.log(WALLET)
        await wait_all_tasks_blocked()
    async with kept_core(store) as core:
        core.feeds.know("wallet", Echo)
        await core.feeds.sweep(now_ms())
        assert core.channels.exists(WALLET)
        await wait_all_tasks_blocked()
        await core.feeds.sweep(now_ms() + MONTH_MS)
        await wait_all_tasks_blocked()
        await assert_gone(store, WALLET)


async def test_one_whose_topic_is_crowded_out_begins_anew(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        follow(core, WALLET)
        await core.channels.publish(NEWS, fact(1))
        await wait_all_tasks_blocked()
        epoch = core.channels.log(WALLET).epoch
        core.channels.forget(WALLET)
        await wait_all_tasks_blocked()
        await assert_gone(store, WALLET)
        await core.channels.publish(NEWS, fact(2))
        await wait_all_tasks_blocked()
        await assert_gone(store, WALLET)
        follow(core, WALLET)
        await core.channels.publish(NEWS, fact(3))
        await wait_all_tasks_blocked()
        assert core.channels.log(WALLET).epoch != epoch
        assert [event.data for event in store.events(WALLET)] == [["news", 3]]
        assert core.feeds.open(WALLET, Retention(events=100), Echo).reader.offset_of(NEWS) == 3
    async with kept_core(store) as core:
        feed = core.feeds.open(WALLET, Retention(events=100), Echo)
        await feed.ready()
        feed.add(NEWS, Resumption(0, None))
        await wait_all_tasks_blocked()
        assert len(store.events(WALLET)) == 1
