"""Whatever clients do, and after whichever commit the engine falls: all that was answered is there, and nothing by
halves."""

from __future__ import annotations

import random

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.agent import Agent, Result, TaskContext, resumable
from actors.commands import (
    ConfirmStep,
    RegisterAgent,
    TaskQuery,
)
from actors.fold import members
from actors.lease import LeaseOptions
from actors.task_events import TASK_ENDS
from actors.tasks import TasksOptions
from tests.actors.acting_clients import Clients, events_of
from tests.support.agents import echo
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ADMIN, ALICE, OPERATOR, Limits, World


async def slow(task: TaskContext) -> Result:
    for piece in range(4):
        await task.message(f"{piece} ")
        await trio.sleep(0.3)
    return Result("slowly")


@resumable
async def steady(task: TaskContext) -> Result:
    async def first() -> str:
        await trio.sleep(0.4)
        return "once"

    return Result(f"{task.prompt} {await task.once(f'first-{task.turn}', first)}")


async def asking(task: TaskContext) -> Result:
    return Result("yes" if await task.confirm(f"s{task.turn}", "May I?") else "no")


AGENTS: dict[str, Agent] = {"echo": echo, "asking": asking, "slow": slow, "steady": steady}
LIMITS = Limits(tasks=TasksOptions(lease=LeaseOptions(lease_seconds=30, claim_seconds=30)), confirm_seconds=20)


async def answer_questions(world: World) -> None:
    while True:
        for key in world.tasks.asking(ALICE):
            for question in world.router.open_questions(key):
                await world.router.command_task(ALICE, ConfirmStep(key.topic, str(members(question)["step_id"]), True))
        await trio.sleep(1)


async def check_whole(world: World) -> None:
    """Every task has ended, once, and each conversation holds what its tasks have said, once."""
    views = world.tasks.page(ADMIN, TaskQuery(limit=1000)).tasks
    begun: list[tuple[str | None, str, object]] = []
    for view in views:
        events = await events_of(world, view.id)
        turns = [members(event) for event in events if event.event_type == "task.turn_started"]
        begun += [(view.session_id, view.id, turn["turn"]) for turn in turns if view.session_id is not None]
        assert [event.offset for event in events] == list(range(1, len(events) + 1))
        types = [event.event_type for event in events]
        assert [kind for kind in types if kind in TASK_ENDS] == types[-1:]
        assert types[-1] == f"task.{view.state}"
        assert types.count("task.started") <= 1
    for session in world.sessions.page(ADMIN, None, 1000).sessions:
        found = world.sessions.find(ADMIN, session.id)
        log = await world.channels.log(found.key).page(0, max_events=10_000, max_bytes=1 << 30)
        told = [event.data for event in log if event.event_type == "message"]
        assert [one["content"] for one in told if isinstance(one, dict)] == [
            one.content for one in found.record.history.messages
        ]
        ended = [event.data for event in log if event.event_type == "done"]
        done = [(one["exec_id"], one["state"]) for one in ended if isinstance(one, dict)]
        assert sorted(done) == sorted((view.id, view.state) for view in views if view.session_id == session.id)
        inputs = [members(event) for event in log if event.event_type == "input"]
        asked = [(session.id, str(one["exec_id"]), one["turn"]) for one in inputs]
        assert sorted(asked) == sorted(one for one in begun if one[0] == session.id)
        said = {members(event)["exec_id"] for event in log if event.event_type == "chat.message"}
        assert said <= {task_id for task_id, _ in done}


async def live_and_fall(seed: int, steps: int, falls: int) -> None:
    rolls = random.Random(seed)
    store = MemoryStore(pause=lambda: rolls.choice((0, 0.01, 0.2)))
    async with life(store, AGENTS, LIMITS) as world:
        await world.router.register_agent(OPERATOR, RegisterAgent("helper", ""))
        before = store.commits
        images = store.watch_commits()
        clients = Clients(world, store, rolls)
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(clients.act, steps)
    for commits in rolls.sample(range(len(images)), min(falls, len(images))):
        async with life(images[commits], AGENTS, LIMITS) as world, trio.open_nursery() as nursery:
            held = [one.check for one in clients.acknowledged if one.commits <= before + commits]
            nursery.start_soon(answer_questions, world)
            await world.tasks.wait_quiet()
            for check in held:
                await check(world)
            await check_whole(world)
            nursery.cancel_scope.cancel()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_all_that_was_answered_is_there_and_nothing_by_halves(seed: int, steps: int) -> None:
    trio.run(live_and_fall, seed, steps, 6, clock=MockClock(autojump_threshold=0))
