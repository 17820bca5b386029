"""Lives of an engine, one after the other, on one store in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio

from actors.agent import Agent
from actors.event import Event
from tests.support.agents import AGENTS
from tests.support.memory_store import MemoryStore
from tests.support.world import ALICE, Limits, World


@asynccontextmanager
async def life(
    store: MemoryStore, agents: Mapping[str, Agent] = AGENTS, limits: Limits | None = None
) -> AsyncIterator[World]:
    """A world that has taken up what the store holds. At its end nothing more reaches the store: to the next life it
    was killed there."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, agents, limits, store=store)
        await world.take_up()
        yield world
        store.fail("killed")
        nursery.cancel_scope.cancel()
    store.recover()


async def told(world: World, task_id: str) -> list[Event]:
    """All events of Alice's task."""
    log = world.channels.log(world.tasks.find(ALICE, task_id).key)
    return await log.page(0, max_events=10_000, max_bytes=1 << 30)


async def types_told(world: World, task_id: str) -> list[str]:
    return [event.event_type for event in await told(world, task_id)]
