"""Texts that are kept for long, and shown to everybody in lists, have a bound."""

from __future__ import annotations

import pytest
import trio

from actors.commands import CreateSession, RegisterAgent
from actors.errors import CallboardError, ErrorCode
from tests.support.agents import AGENTS
from tests.support.world import ALICE, OPERATOR, World


async def test_a_title(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        assert (await world.router.create_session(ALICE, CreateSession(title="é" * 1000))).title == "é" * 1000
        with pytest.raises(CallboardError, match="title has at most 1000 characters") as refused:
            await world.router.create_session(ALICE, CreateSession(title="é" * 1001))
        assert refused.value.code is ErrorCode.INVALID_PAYLOAD
        assert len(world.sessions) == 1
        nursery.cancel_scope.cancel()


async def test_an_agents_description(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        await world.router.register_agent(OPERATOR, RegisterAgent("far", "d" * 4000))
        with pytest.raises(CallboardError, match="description has at most 4000 characters") as refused:
            await world.router.register_agent(OPERATOR, RegisterAgent("farther", "d" * 4001))
        assert refused.value.code is ErrorCode.INVALID_PAYLOAD
        assert [view.name for view in world.agents.views() if view.remote] == ["far"]
        nursery.cancel_scope.cancel()
