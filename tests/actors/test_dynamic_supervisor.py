"""Children that come and go."""

from __future__ import annotations

import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.child import StartFailed
from actors.childspec import Backoff, ChildSpec, Intensity, Restart
from actors.dynamic_supervisor import DynamicSupervisor, NotRunning, TooManyChildren
from actors.report import ChildCrashed, ChildRestarted, DeadlineOutlived, EndedLate
from actors.supervision import RestartsExceeded
from tests.actors.scripted import Failure, Life, Trace, child

CRASH = Life(lasts=1)
TEMPORARY, TRANSIENT = Restart.TEMPORARY, Restart.TRANSIENT


def dynamic(trace: Trace, *, max_children: int = 10, intensity: Intensity | None = None) -> DynamicSupervisor:
    return DynamicSupervisor(
        "d",
        reporter=trace,
        max_children=max_children,
        intensity=intensity or Intensity(2, 100.0),
        backoff=Backoff(2.0, 2.0, 8.0),
    )


@asynccontextmanager
async def running(supervisor: DynamicSupervisor) -> AsyncIterator[DynamicSupervisor]:
    """Started before, stopped after."""
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        yield supervisor
        supervisor.stop()


async def test_start_child_waits_for_the_acknowledgement(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        handle = await supervisor.start_child(child(trace, "a", Life(ack=1.5)))
        assert trio.current_time() == 1.5
        assert handle.running
        assert supervisor.count == 1
        assert supervisor.statistics().children == 1


async def test_start_child_raises_what_kept_the_child_from_starting(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        with pytest.raises(StartFailed) as caught:
            await supervisor.start_child(child(trace, "a", Life(fails=True)))
        assert isinstance(caught.value.__cause__, Failure)
        with pytest.raises(StartFailed) as caught:
            await supervisor.start_child(child(trace, "b", Life(ack=None), start_deadline=2))
        assert isinstance(caught.value.__cause__, TimeoutError)
        assert supervisor.count == 0
        assert trace.of("start") == ["a", "b"]


async def test_a_start_that_fails_and_will_not_end_is_held_until_it_does(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        with pytest.raises(StartFailed):
            await supervisor.start_child(child(trace, "a", Life(ack=None, stop_takes=9), start_deadline=1))
        assert trace.of("outlived") == ["a"]
        assert supervisor.count == 1
        await trio.sleep_until(10.5)
        assert supervisor.count == 0


async def test_a_cancelled_start_child_leaves_no_child(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        with trio.move_on_after(1) as scope:
            await supervisor.start_child(child(trace, "a", Life(ack=1.5)))
        assert scope.cancelled_caught
        await wait_all_tasks_blocked()
        assert trace.of("gone") == ["a"]
        assert supervisor.count == 0


async def test_start_child_nowait_needs_no_acknowledgement(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        handle = supervisor.start_child_nowait(child(trace, "a", Life(ack=None), restart=TEMPORARY))
        await trio.sleep_until(60)
        assert handle.running


async def test_children_are_taken_only_while_it_runs(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = dynamic(trace)
    with pytest.raises(NotRunning, match="d is not running"):
        supervisor.start_child_nowait(child(trace, "a"))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.start_child(child(trace, "slow", Life(stop_takes=0.5)))
        supervisor.stop()
        await wait_all_tasks_blocked()
        with pytest.raises(NotRunning):
            await supervisor.start_child(child(trace, "b"))
    with pytest.raises(NotRunning):
        await supervisor.start_child(child(trace, "c"))
    assert trace.of("start") == ["slow"]


async def test_max_children_is_a_limit_with_an_error_of_its_own(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace, max_children=2)) as supervisor:
        first = supervisor.start_child_nowait(child(trace, "a"))
        supervisor.start_child_nowait(child(trace, "b"))
        with pytest.raises(TooManyChildren, match="maximum of 2"):
            supervisor.start_child_nowait(child(trace, "c"))
        with pytest.raises(TooManyChildren):
            await supervisor.start_child(child(trace, "c"))
        assert await supervisor.stop_child(first)
        supervisor.start_child_nowait(child(trace, "c"))
        assert supervisor.count == 2


async def test_all_stop_at_once_each_with_its_own_deadline(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        await supervisor.start_child(child(trace, "a", Life(stop_takes=20), stop_deadline=3))
        await supervisor.start_child(child(trace, "b", Life(stop_takes=2), stop_deadline=1))
        await supervisor.start_child(child(trace, "c", Life(stop_takes=2), stop_deadline=3))
    assert {trace.times(name, "asked")[0] for name in "abc"} == {0}
    assert [noted for noted in trace.events if noted[2] == "outlived"] == [(1, "b", "outlived"), (3, "a", "outlived")]
    assert [report.late for report in trace.reported(EndedLate)] == [1, 17]
    assert supervisor.count == 0
    assert supervisor.statistics().overdue == 0


async def test_cancelled_from_outside_it_stops_its_children_and_cancelled_goes_on(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = dynamic(trace)
    went_on = False
    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as scope:
            nursery.start_soon(trio.sleep, 3)

            async def cancel() -> None:
                await trio.sleep(1)
                await supervisor.start_child(child(trace, "a", Life(stop_takes=0.5)))
                scope.cancel()

            nursery.start_soon(cancel)
            await supervisor.run()
            went_on = True
    assert scope.cancelled_caught
    assert not went_on
    assert trace.times("a", "gone") == [1.5]


async def test_a_temporary_child_is_never_restarted_and_its_crash_harms_nobody(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        for number in range(5):
            supervisor.start_child_nowait(child(trace, f"{number}", CRASH, restart=TEMPORARY))
        steady = supervisor.start_child_nowait(child(trace, "steady", restart=TEMPORARY))
        await trio.sleep_until(5)
        assert len(trace.reported(ChildCrashed)) == 5
        assert trace.of("asked") == []
        assert steady.running
        assert supervisor.count == 1
        assert supervisor.statistics().crashed == 5


async def test_a_transient_child_comes_back_after_a_crash_by_the_same_handle(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        handle = await supervisor.start_child(child(trace, "a", CRASH, Life(lasts=1, crashes=False), restart=TRANSIENT))
        await trio.sleep_until(2)
        waiting = (handle.running, supervisor.count)
        assert waiting == (False, 1), "one that waits for its restart is held"
        await trio.sleep_until(3.5)
        assert (handle.running, supervisor.count) == (True, 1)
        assert trace.reported(ChildRestarted) == [ChildRestarted("d", "a", "a", 2.0)]
        await trio.sleep_until(10)
        assert supervisor.count == 0, "it ended normally"


async def test_back_off_of_one_delays_no_other(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        supervisor.start_child_nowait(child(trace, "a", CRASH, restart=TRANSIENT))
        supervisor.start_child_nowait(child(trace, "b", Life(lasts=1.5), restart=TRANSIENT))
        await trio.sleep_until(10)
    assert trace.times("a", "start") == [0, 3]
    assert trace.times("b", "start") == [0, 3.5]


async def test_beyond_its_intensity_it_stops_all_and_ends_abnormally(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = dynamic(trace, intensity=Intensity(1, 100.0))
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012  # the group is the nursery's own
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            supervisor.start_child_nowait(child(trace, "a", CRASH, restart=TRANSIENT))
            supervisor.start_child_nowait(child(trace, "b", Life(lasts=1.5), restart=TRANSIENT))
            supervisor.start_child_nowait(child(trace, "c"))
    assert caught.group_contains(RestartsExceeded, match="gave up on b")
    assert trace.of("gone") == ["c"]
    assert supervisor.count == 0


async def test_a_failed_restart_counts(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = dynamic(trace)
    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012  # the group is the nursery's own
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await supervisor.start_child(child(trace, "a", CRASH, *[Life(fails=True)] * 2, restart=TRANSIENT))
    assert caught.group_contains(RestartsExceeded)
    assert len(trace.of("start")) == 3


async def test_stop_child_stops_for_good_and_is_idempotent(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        handle = await supervisor.start_child(child(trace, "a", Life(stop_takes=0.5)))
        assert await supervisor.stop_child(handle)
        assert await supervisor.stop_child(handle)
        await trio.sleep_until(30)
        assert trace.of("start") == ["a"]
        assert supervisor.count == 0


async def test_a_permanent_child_that_raises_while_being_stopped_is_not_restarted(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        handle = await supervisor.start_child(child(trace, "a", Life(stop_raises=True)))
        assert await supervisor.stop_child(handle)
        await trio.sleep_until(30)
        assert trace.of("start") == ["a"]
        assert supervisor.statistics().crashed == 0


async def test_stop_child_answers_at_the_deadline_of_one_that_will_not_stop(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        handle = await supervisor.start_child(child(trace, "a", Life(stop_takes=9), stop_deadline=2))
        assert not await supervisor.stop_child(handle)
        assert trio.current_time() == 2
        assert trace.reported(DeadlineOutlived) == [DeadlineOutlived("d", "a", 2)]
        assert (supervisor.count, supervisor.statistics().overdue) == (1, 1)
        await trio.sleep_until(9.5)
        assert (supervisor.count, supervisor.statistics().overdue) == (0, 0)


@pytest.mark.parametrize("when", [1.5, 3.25])
async def test_a_child_stopped_while_it_waits_for_its_restart_or_comes_up_stays_away(
    autojump_clock: MockClock, when: float
) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        handle = await supervisor.start_child(child(trace, "a", CRASH, Life(ack=1), restart=TRANSIENT))
        await trio.sleep_until(when)
        assert await supervisor.stop_child(handle)
        await trio.sleep_until(30)
        assert trace.of("up") == ["a"]
        assert supervisor.count == 0


async def test_a_child_stopped_before_its_first_step_never_runs(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        assert await supervisor.stop_child(supervisor.start_child_nowait(child(trace, "a")))
        assert trace.events == []
        assert supervisor.count == 0


async def test_it_holds_nothing_of_children_that_ended(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        specs = [
            child(trace, "a", end, restart=TEMPORARY) for end in (CRASH, Life(lasts=1, crashes=False), Life(fails=True))
        ]
        handles = [weakref.ref(supervisor.start_child_nowait(spec)) for spec in specs]
        await trio.sleep_until(5)
        trace.reports.clear()
        gc.collect()
        assert [handle() for handle in handles] == [None] * 3


async def test_a_child_costs_one_task(autojump_clock: MockClock) -> None:
    trace = Trace()
    async with running(dynamic(trace)) as supervisor:
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10):
            supervisor.start_child_nowait(ChildSpec("c", _forever, TEMPORARY))
        await wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before + 10


async def _forever(task_status: trio.TaskStatus[None]) -> None:
    await trio.sleep_forever()
