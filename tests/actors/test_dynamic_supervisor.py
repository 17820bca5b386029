"""Children that come and go."""

from __future__ import annotations

import gc
import weakref

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.child import StartFailed
from actors.childspec import ChildSpec, Restart
from actors.dynamic_supervisor import NotRunning, TooManyChildren
from actors.report import DeadlineOutlived, EndedLate
from tests.actors.dynamic_tools import dynamic, running
from tests.actors.scripted import Failure, Life, Trace, child

CRASH = Life(lasts=1)
TEMPORARY, TRANSIENT = Restart.TEMPORARY, Restart.TRANSIENT


async def test_start_child_waits_for_the_acknowledgement(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    handle = await supervisor.start_child(child(trace, "a", Life(ack=1.5)))
    assert trio.current_time() == 1.5
    assert handle.running
    assert supervisor.count == 1
    assert supervisor.statistics().children == 1


async def test_start_child_raises_what_kept_the_child_from_starting(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    with pytest.raises(StartFailed) as caught:
        await supervisor.start_child(child(trace, "a", Life(fails=True)))
    assert isinstance(caught.value.__cause__, Failure)
    with pytest.raises(StartFailed) as caught:
        await supervisor.start_child(child(trace, "b", Life(ack=None), start_deadline=2))
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert supervisor.count == 0
    assert trace.of("start") == ["a", "b"]


async def test_a_start_that_fails_and_will_not_end_is_held_until_it_does(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    with pytest.raises(StartFailed):
        await supervisor.start_child(child(trace, "a", Life(ack=None, stop_takes=9), start_deadline=1))
    assert trace.of("outlived") == ["a"]
    assert supervisor.count == 1
    await trio.sleep_until(10.5)
    assert supervisor.count == 0


async def test_a_cancelled_start_child_leaves_no_child(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    with trio.move_on_after(1) as scope:
        await supervisor.start_child(child(trace, "a", Life(ack=1.5)))
    assert scope.cancelled_caught
    await wait_all_tasks_blocked()
    assert trace.of("gone") == ["a"]
    assert supervisor.count == 0


async def test_start_child_nowait_needs_no_acknowledgement(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
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


async def test_max_children_is_a_limit_with_an_error_of_its_own(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace, max_children=2))
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
    supervisor = dynamic(trace, max_children=12)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await supervisor.start_child(child(trace, "a", Life(stop_takes=20), stop_deadline=3))
        await supervisor.start_child(child(trace, "b", Life(stop_takes=2), stop_deadline=1))
        await supervisor.start_child(child(trace, "c", Life(stop_takes=2), stop_deadline=3))
        for number in range(9):
            await supervisor.start_child(child(trace, f"{number}", Life(stop_takes=2), stop_deadline=3))
        supervisor.stop()
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


async def test_stop_child_stops_for_good_and_is_idempotent(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    handle = await supervisor.start_child(child(trace, "a", Life(stop_takes=0.5)))
    assert await supervisor.stop_child(handle)
    assert await supervisor.stop_child(handle)
    await trio.sleep_until(30)
    assert trace.of("start") == ["a"]
    assert supervisor.count == 0


async def test_stop_child_answers_at_the_deadline_of_one_that_will_not_stop(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    handle = await supervisor.start_child(child(trace, "a", Life(stop_takes=9), stop_deadline=2))
    assert not await supervisor.stop_child(handle)
    assert trio.current_time() == 2
    assert trace.reported(DeadlineOutlived) == [DeadlineOutlived("d", "a", 2)]
    assert (supervisor.count, supervisor.statistics().overdue) == (1, 1)
    await trio.sleep_until(9.5)
    assert (supervisor.count, supervisor.statistics().overdue) == (0, 0)


async def test_a_child_stopped_before_its_first_step_never_runs(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    assert await supervisor.stop_child(supervisor.start_child_nowait(child(trace, "a")))
    assert trace.events == []
    assert supervisor.count == 0


async def test_it_holds_nothing_of_children_that_ended(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    specs = [
        child(trace, "a", end, restart=TEMPORARY) for end in (CRASH, Life(lasts=1, crashes=False), Life(fails=True))
    ]
    handles = [weakref.ref(supervisor.start_child_nowait(spec)) for spec in specs]
    await trio.sleep_until(5)
    trace.reports.clear()
    gc.collect()
    assert [handle() for handle in handles] == [None] * 3


async def test_a_child_costs_one_task(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    before = trio.lowlevel.current_statistics().tasks_living
    for _ in range(10):
        supervisor.start_child_nowait(ChildSpec("c", _forever, TEMPORARY))
    await wait_all_tasks_blocked()
    assert trio.lowlevel.current_statistics().tasks_living == before + 10


async def _forever(task_status: trio.TaskStatus[None]) -> None:
    await trio.sleep_forever()
