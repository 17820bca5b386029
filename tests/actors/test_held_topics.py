"""However many topics there are, those of tasks, conversations and agents stay as long as these."""

from __future__ import annotations

import trio

from actors.channels_options import ChannelsOptions
from actors.commands import CreateSession, CreateTask, ExecSession, RegisterAgent
from actors.event import ChannelKey
from tests.support.drafts import fact
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, OPERATOR, Limits, World

FEW = Limits(channels=ChannelsOptions(idle_seconds=1.0, topics=3))
BOARD = ChannelKey("agent", "far", OPERATOR.user_id)


async def crowd_out(world: World) -> list[str]:
    """Ten topics that nobody has are used after all others. Those that are left."""
    names = [f"t{number}" for number in range(10)]
    for name in names:
        await trio.sleep(2)
        await world.channels.sweep.run()
        await world.channels.publish(ChannelKey("app", name), fact(1))
    for _ in range(2):
        await trio.sleep(2)
        await world.channels.sweep.run()
    return [name for name in names if world.channels.exists(ChannelKey("app", name))]


async def begin(world: World) -> list[ChannelKey]:
    """What there is of a task at work, of one that waits behind it, of their conversation, and of an agent that runs
    elsewhere and has a task."""
    router = world.router
    session = await router.create_session(ALICE, CreateSession(agent="forever"))
    tasks = [(await router.exec_session(ALICE, ExecSession(session.id, "go"))).exec_id for _ in range(2)]
    await router.register_agent(OPERATOR, RegisterAgent("far", ""))
    tasks.append((await router.create_task(ALICE, CreateTask(agent="far", prompt="go"))).id)
    await trio.testing.wait_all_tasks_blocked()
    return [router.resolve(ALICE, "session", session.id), BOARD, *(ChannelKey("task", one, "alice") for one in tasks)]


async def test_those_that_nobody_has_go_and_the_others_stay(autojump_clock: trio.abc.Clock) -> None:
    async with life(MemoryStore(), limits=FEW) as world:
        held = await begin(world)
        positions = {key: world.channels.log(key).position for key in held}
        assert [positions[key].offset > 0 for key in held] == [True, True, True, False, False]
        left = await crowd_out(world)
        assert left == ["t7", "t8", "t9"], "the system's are among those that go"
        assert {key: world.channels.log(key).position for key in held} == positions


async def test_so_it_is_after_a_restart(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with life(store, limits=FEW) as world:
        held = await begin(world)
    async with life(store, limits=FEW) as world:
        await trio.testing.wait_all_tasks_blocked()
        positions = {key: world.channels.log(key).position for key in held}
        assert await crowd_out(world) == ["t7", "t8", "t9"]
        assert {key: world.channels.log(key).position for key in held} == positions
        assert all(store.events(key) for key in held[:3])
