"""Which conversation is forgotten where there are too many: the one idle for longest."""

from __future__ import annotations

import random

import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import CreateSession, CreateTask
from actors.sessions import SessionsOptions
from tests.support.agents import AGENTS
from tests.support.world import ALICE, BOB, Limits, World


async def test_the_one_idle_for_longest_goes(autojump_clock: trio.abc.Clock) -> None:
    rolls = random.Random(11)
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS, Limits(sessions=SessionsOptions(sessions=6, default_agent="echo")))
        # From the one unused for longest to the last that was used.
        expected = [world.sessions.create(ALICE, CreateSession()).id for _ in range(6)]
        for _ in range(60):
            await trio.sleep(1)
            if rolls.random() < 0.6:
                used = rolls.choice(expected)
                if rolls.random() < 0.5:
                    world.sessions.find(ALICE, used)
                else:
                    await world.router.create_task(ALICE, CreateTask(agent="echo", prompt="hi", session_id=used))
                    await wait_all_tasks_blocked()
                expected.remove(used)
                expected.append(used)
            else:
                expected.append(world.sessions.create(ALICE, CreateSession()).id)
                del expected[0]
            kept = {view.id for view in world.sessions.page(ALICE, None, 100).sessions}
            assert kept == set(expected)
            assert world.sessions.page(BOB, None, 100).sessions == ()
        nursery.cancel_scope.cancel()
