"""A dialect's feed begins whole or not at all, wherever the engine falls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.event import ChannelKey
from actors.feeds import FEED_CHANNEL, Feeds
from actors.journal import JournalOptions
from actors.store import own_kind
from actors.uploads import MemoryUploads
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, Limits, NurserySpawner, World
from transport.pipelines import Pipelines, PipelinesOptions
from transport.realtime_agent import RealtimeAgent, RealtimeOptions
from transport.wallet_identity import WalletIdentity
from transport.wallets import Wallets

ONE_BY_ONE = Limits(journal=JournalOptions(batch=1, gather_seconds=0))

Begin: TypeAlias = Callable[[World, Feeds], Awaitable[None]]


async def begin_steps(world: World, feeds: Feeds) -> None:
    await trio.lowlevel.checkpoint()
    RealtimeAgent(ALICE.user_id, world.router, feeds, RealtimeOptions("echo")).open()


async def begin_wallet(world: World, feeds: Feeds) -> None:
    await trio.lowlevel.checkpoint()
    Wallets(world.router, feeds, WalletIdentity(require_signature=False), 10.0).feed(ALICE)


async def begin_room(world: World, feeds: Feeds) -> None:
    await Pipelines(world.router, feeds, MemoryUploads(), PipelinesOptions()).room(ALICE, "support", "person")


async def feeds_in(store: MemoryStore) -> dict[ChannelKey, list[str]]:
    """With the names of what is kept of each."""
    keys = [topic.key for topic in await store.topics() if topic.key.channel == FEED_CHANNEL]
    return {key: [name for name, _ in await store.records(own_kind(key))] for key in keys}


@pytest.mark.parametrize("begin", [begin_steps, begin_wallet, begin_room])
async def test_no_commit_holds_a_part_of_a_beginning(begin: Begin, autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    images = store.watch_commits()
    async with life(store, limits=ONE_BY_ONE) as world:
        await begin(world, Feeds(NurserySpawner(world.nursery), world.channels, store=store))
        await wait_all_tasks_blocked()
    whole = await feeds_in(store)
    assert all(whole.values())
    assert [found for image in images if (found := await feeds_in(image)) not in ({}, whole)] == []
    assert whole
