"""Publishing under an idempotency key, where whoever asks is gone before the answer or the store fails."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.commands import Publish
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, draft
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.world import PUBLISHER, World

NEWS = ChannelKey("app", "news")
COMMAND = Publish("app", "news", draft("news", 1), idempotency_key="once")


@asynccontextmanager
async def world(store: MemoryStore) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        here = World(nursery, AGENTS, store=store)
        await here.take_up()
        yield here
        nursery.cancel_scope.cancel()


async def test_sent_again_by_one_who_was_cut_off_during_the_commit(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore(seconds=1)
    async with world(store) as here:
        with trio.move_on_after(0.5):
            await here.router.publish(PUBLISHER, COMMAND)
        again = await here.router.publish(PUBLISHER, COMMAND)
        assert again.duplicate
        assert again.position.offset == 1
        assert len(store.events(NEWS)) == 1


async def test_sent_again_after_the_store_has_refused_it(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore(seconds=1)
    async with world(store) as here:
        store.fail("disk full")
        with trio.move_on_after(0.5):
            await here.router.publish(PUBLISHER, COMMAND)
        await trio.sleep(1)
        with pytest.raises(CallboardError) as refusal:
            await here.router.publish(PUBLISHER, COMMAND)
        assert refusal.value.code is ErrorCode.UNAVAILABLE
        store.recover()
        await trio.sleep(9)
        assert not (await here.router.publish(PUBLISHER, COMMAND)).duplicate
        assert (await here.router.publish(PUBLISHER, COMMAND)).duplicate
        assert len(store.events(NEWS)) == 1


async def test_sent_twice_at_once(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore(seconds=1)
    found: list[bool] = []
    async with world(store) as here:

        async def publish() -> None:
            found.append((await here.router.publish(PUBLISHER, COMMAND)).duplicate)

        async with trio.open_nursery() as both:
            both.start_soon(publish)
            both.start_soon(publish)
        assert sorted(found) == [False, True]
        assert len(store.events(NEWS)) == 1
