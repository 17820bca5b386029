"""Sleepers that share a timer wake when trio's own would, or a grain later; whatever becomes of the others."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.agent import Result, TaskContext
from actors.commands import CancelTask, CreateTask, TaskState
from actors.timers import GRAIN, LONGEST, Timers
from tests.support.world import ALICE, World

ROUNDING = 1e-9


@pytest.fixture
def own_sleeps(monkeypatch: pytest.MonkeyPatch) -> Counter[float]:
    """The deadlines of those who were given a timer of trio's own."""
    counted: Counter[float] = Counter()
    real = trio.sleep_until

    async def sleep_until(deadline: float) -> None:
        counted[deadline] += 1
        await real(deadline)

    monkeypatch.setattr("actors.timers.trio.sleep_until", sleep_until)
    return counted


async def lateness(timers: Timers, deadline: float) -> float:
    await timers.sleep_until(deadline)
    return trio.current_time() - deadline


async def all_late(sleeps: list[float], cancelled: dict[int, float]) -> dict[int, float]:
    """How late each woke that was not cancelled, by its number, for sleepers that begin together."""
    timers, late = Timers(), dict[int, float]()

    async def sleep(number: int, seconds: float) -> None:
        deadline = trio.current_time() + seconds
        with trio.move_on_after(cancelled.get(number, math.inf)):
            late[number] = await lateness(timers, deadline)

    async with trio.open_nursery() as nursery:
        await nursery.start(timers.run)
        async with trio.open_nursery() as sleepers:
            for number, seconds in enumerate(sleeps):
                sleepers.start_soon(sleep, number, seconds)
        nursery.cancel_scope.cancel()
    return late


SLEEPS = st.lists(st.floats(min_value=-0.01, max_value=1.5) | st.sampled_from([0.0, GRAIN, 0.02, LONGEST]), max_size=30)


@given(SLEEPS, st.dictionaries(st.integers(0, 29), st.floats(min_value=0.0, max_value=1.5)))
def test_each_wakes_at_its_time_or_a_grain_later(sleeps: list[float], cancelled: dict[int, float]) -> None:
    async def main() -> dict[int, float]:
        return await all_late(sleeps, cancelled)

    late = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert late.keys() >= {number for number in range(len(sleeps)) if number not in cancelled}
    for number, seconds in late.items():
        assert -ROUNDING <= seconds <= max(GRAIN, -sleeps[number]) + ROUNDING


async def test_short_sleeps_take_no_timer_of_their_own(
    nursery: trio.Nursery, autojump_clock: MockClock, own_sleeps: Counter[float]
) -> None:
    timers = Timers()
    await nursery.start(timers.run)
    began = trio.current_time()
    await timers.sleep_until(began + 0.02)
    assert trio.current_time() == pytest.approx(began + 0.02)
    assert not own_sleeps


async def test_those_of_one_grain_wake_together(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    timers, woken = Timers(), list[float]()
    await nursery.start(timers.run)
    began, random = trio.current_time(), Random(1)

    async def sleep(seconds: float) -> None:
        await timers.sleep_until(began + seconds)
        woken.append(trio.current_time())

    async with trio.open_nursery() as sleepers:
        for _ in range(100):
            sleepers.start_soon(sleep, 0.02 + random.random() * GRAIN / 2)
    assert len(set(woken)) <= 2


@pytest.mark.parametrize("seconds", [0.0, -1.0, LONGEST + 0.1, math.inf])
async def test_what_is_past_or_far_away_is_left_to_trio(
    nursery: trio.Nursery, autojump_clock: MockClock, own_sleeps: Counter[float], seconds: float
) -> None:
    timers = Timers()
    await nursery.start(timers.run)
    deadline = trio.current_time() + seconds
    with trio.move_on_after(LONGEST + 1):
        await timers.sleep_until(deadline)
    assert own_sleeps == {deadline: 1}


async def test_without_its_actor_each_has_a_timer_of_its_own(
    autojump_clock: MockClock, own_sleeps: Counter[float]
) -> None:
    assert await lateness(Timers(), trio.current_time() + 0.02) == pytest.approx(0.0)
    assert own_sleeps


async def test_a_past_deadline_is_a_checkpoint_still(nursery: trio.Nursery) -> None:
    timers = Timers()
    await nursery.start(timers.run)
    with trio.testing.assert_checkpoints():
        await timers.sleep_until(trio.current_time() - 1)


async def test_one_who_is_cancelled_ends_at_once_and_the_others_sleep_on(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    timers, woken = Timers(), list[str]()
    await nursery.start(timers.run)
    began = trio.current_time()

    async def sleep(name: str, seconds: float) -> None:
        await timers.sleep_until(began + seconds)
        woken.append(name)

    async with trio.open_nursery() as sleepers:
        sleepers.start_soon(sleep, "other", 0.5)
        with trio.move_on_after(0.1) as scope:
            await sleep("cancelled", 0.2)
        assert scope.cancelled_caught
        assert trio.current_time() == pytest.approx(began + 0.1)
    assert woken == ["other"]
    assert trio.current_time() == pytest.approx(began + 0.5)


async def test_who_sleeps_while_it_is_restarted_wakes_in_time(autojump_clock: MockClock) -> None:
    timers = Timers()
    async with trio.open_nursery() as nursery:
        first = await nursery.start(_run_in_scope, timers)
        began = trio.current_time()
        async with trio.open_nursery() as sleepers:
            sleepers.start_soon(timers.sleep_until, began + 0.5)
            await trio.testing.wait_all_tasks_blocked()
            first.cancel()
            await trio.testing.wait_all_tasks_blocked()
            second = await nursery.start(_run_in_scope, timers)
        assert trio.current_time() == pytest.approx(began + 0.5)
        second.cancel()


async def test_a_sleep_that_is_awaited_later_ends_in_time(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    timers = Timers()
    await nursery.start(timers.run)
    began = trio.current_time()
    kept = timers.sleep_until(began + 0.5)
    await timers.sleep_until(began + 0.1)
    with trio.fail_after(10):
        await kept
    assert trio.current_time() == pytest.approx(began + 0.5)


async def test_those_who_are_started_as_it_wakes_wake_too(autojump_clock: MockClock) -> None:
    """They begin to sleep a step after they were started, and it may have begun another nap by then."""
    timers, late = Timers(), list[float]()

    async def sleep(deadline: float) -> None:
        with trio.move_on_after(10):
            late.append(await lateness(timers, deadline))

    async with trio.open_nursery() as nursery:
        await nursery.start(timers.run)
        for _ in range(50):
            began = trio.current_time()
            async with trio.open_nursery() as sleepers:
                sleepers.start_soon(sleep, began + 0.1)
                # By trio's own timer, in the same batch as `run`.
                await trio.sleep_until(began + 0.1)
                sleepers.start_soon(timers.sleep_until, began + 0.2)
                sleepers.cancel_scope.deadline = began + 10
            late.append(trio.current_time() - began - 0.2)
        nursery.cancel_scope.cancel()
    assert late == pytest.approx([0.0] * 100)


async def _run_in_scope(timers: Timers, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(timers.run)
            task_status.started(scope)


async def pacing(task: TaskContext) -> Result:
    for number in range(50):
        await task.emit("bench.tick", number)
        await task.sleep(0.02)
    return Result("told")


async def test_an_agent_that_paces_itself_can_be_cancelled(
    autojump_clock: MockClock, own_sleeps: Counter[float]
) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {"pacing": pacing})
        await nursery.start(world.timers.run)
        create = CreateTask(agent="pacing", prompt="go")
        whole, cut_off = [(await world.router.create_task(ALICE, create)).id for _ in range(2)]
        began = trio.current_time()
        await trio.sleep_until(began + 0.5)
        await world.router.command_task(ALICE, CancelTask(cut_off))
        await world.tasks.wait_quiet()
        assert trio.current_time() == pytest.approx(began + 1.0)
        ended = [world.tasks.find(ALICE, task_id).record.state for task_id in (whole, cut_off)]
        nursery.cancel_scope.cancel()
    assert ended == [TaskState.COMPLETED, TaskState.CANCELLED]
    assert own_sleeps == {began + 0.5: 1}
