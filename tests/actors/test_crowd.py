"""Very many children that are started once and stopped together."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.childspec import Intensity
from actors.crowd import Crowd
from actors.dynamic_supervisor import NotRunning, TooManyChildren
from actors.report import ChildCrashed, DeadlineOutlived, EndedLate, StopRaised
from actors.supervision import GRACE
from actors.supervisor import Supervisor
from tests.actors.scripted import Failure, Life, Trace, script

STEADY = Life()


def scripted(trace: Trace, name: str, life: Life = STEADY) -> Callable[[], Awaitable[None]]:
    body = script(trace, name, [life])
    return lambda: body(trio.TASK_STATUS_IGNORED)


def crowd_of(trace: Trace, *, max_children: int = 10) -> Crowd:
    return Crowd("crowd", reporter=trace, max_children=max_children, stop_seconds=2)


async def running(nursery: trio.Nursery, crowd: Crowd) -> Crowd:
    await nursery.start(crowd.run)
    return crowd


async def run_with(
    crowd: Crowd, bodies: dict[str, Callable[[], Awaitable[None]]], *others: Callable[[], Awaitable[None]]
) -> None:
    """Returns or raises when the crowd has ended, and the others beside it."""
    async with trio.open_nursery() as nursery:
        await nursery.start(crowd.run)
        for name, body in bodies.items():
            crowd.start_nowait(name, body)
        for other in others:
            nursery.start_soon(other)


async def test_a_crash_is_reported_and_no_sibling_notices(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    crowd = await running(nursery, crowd_of(trace))
    crowd.start_nowait("a", scripted(trace, "a"))
    crowd.start_nowait("b", scripted(trace, "b", Life(lasts=1)))
    crowd.start_nowait("c", scripted(trace, "c", Life(lasts=1, crashes=False)))
    await trio.sleep(5)
    assert [(crash.supervisor, crash.child) for crash in trace.reported(ChildCrashed)] == [("crowd", "b")]
    assert sorted(trace.of("start")) == ["a", "b", "c"]
    statistics = crowd.statistics()
    assert (statistics.children, statistics.started, statistics.crashed) == (1, 3, 1)


async def test_children_are_taken_only_while_it_runs(autojump_clock: MockClock) -> None:
    trace = Trace()
    crowd = crowd_of(trace)
    with pytest.raises(NotRunning):
        crowd.start_nowait("early", scripted(trace, "early"))
    async with trio.open_nursery() as nursery:
        await nursery.start(crowd.run)
        with pytest.raises(RuntimeError, match="is running"):
            await crowd.run()
        crowd.start_nowait("a", scripted(trace, "a", Life(stop_takes=1)))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(0.5)
        with pytest.raises(NotRunning):
            crowd.start_nowait("late", scripted(trace, "late"))
    assert trace.of("start") == trace.of("gone") == ["a"]
    assert crowd.count == 0


async def test_it_may_run_again(autojump_clock: MockClock) -> None:
    trace = Trace()
    crowd = crowd_of(trace)
    for name in ("a", "b"):
        async with trio.open_nursery() as nursery:
            await nursery.start(crowd.run)
            crowd.start_nowait(name, scripted(trace, name))
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert trace.of("gone") == ["a", "b"]


async def test_its_limit_counts_those_that_live(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    crowd = await running(nursery, crowd_of(trace, max_children=2))
    crowd.start_nowait("a", scripted(trace, "a", Life(lasts=1)))
    crowd.start_nowait("b", scripted(trace, "b"))
    with pytest.raises(TooManyChildren):
        crowd.start_nowait("c", scripted(trace, "c"))
    await trio.sleep(2)
    crowd.start_nowait("c", scripted(trace, "c"))
    assert crowd.count == 2


async def test_cancelled_from_outside_all_stop_at_once_and_cancelled_goes_on(autojump_clock: MockClock) -> None:
    trace = Trace()
    crowd = crowd_of(trace)
    with trio.CancelScope() as outside:
        async with trio.open_nursery() as nursery:
            await nursery.start(crowd.run)
            for name in ("a", "b"):
                crowd.start_nowait(name, scripted(trace, name, Life(stop_takes=1)))
            await wait_all_tasks_blocked()
            outside.cancel()
    assert outside.cancelled_caught
    assert sorted(trace.of("gone")) == ["a", "b"]
    assert trio.current_time() == 1
    assert trace.reports == []


async def test_cancelled_before_its_first_step_it_ends(autojump_clock: MockClock) -> None:
    with trio.CancelScope() as outside:
        outside.cancel()
        await crowd_of(Trace()).run()
    assert outside.cancelled_caught


async def test_who_outlives_the_deadline_is_reported_and_waited_for(autojump_clock: MockClock) -> None:
    trace = Trace()
    crowd = crowd_of(trace)
    async with trio.open_nursery() as nursery:
        await nursery.start(crowd.run)
        crowd.start_nowait("quick", scripted(trace, "quick", Life(stop_takes=1)))
        crowd.start_nowait("slow", scripted(trace, "slow", Life(stop_takes=5)))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.sleep(3)
        assert (crowd.statistics().overdue, crowd.count) == (1, 1)
    assert trio.current_time() == 5
    assert trace.reports == [DeadlineOutlived("crowd", "slow", 2), EndedLate("crowd", "slow", 3)]


async def test_its_parent_gives_it_the_time_that_its_children_have(autojump_clock: MockClock) -> None:
    trace = Trace()
    crowd = crowd_of(trace)
    assert crowd.as_child().stop_deadline == 2 + GRACE
    tree = Supervisor("root", [crowd.as_child()], reporter=trace, intensity=Intensity(0))
    async with trio.open_nursery() as nursery:
        await nursery.start(tree.run)
        crowd.start_nowait("a", scripted(trace, "a", Life(stop_takes=1.9)))
        await wait_all_tasks_blocked()
        tree.stop()
    assert trace.of("gone") == ["a"]
    assert trace.reports == []


async def test_a_failure_while_it_is_stopped_is_no_crash_and_is_not_dropped(autojump_clock: MockClock) -> None:
    trace = Trace()
    crowd = crowd_of(trace)

    async def grouped() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scripted(trace, "inner", Life(stop_raises=True)))
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        await nursery.start(crowd.run)
        crowd.start_nowait("bare", scripted(trace, "bare", Life(stop_raises=True)))
        crowd.start_nowait("grouped", grouped)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    raised = {report.child: report.error for report in trace.reported(StopRaised)}
    assert isinstance(raised["bare"], Failure)
    assert isinstance(raised["grouped"], BaseExceptionGroup)
    assert raised["grouped"].split(trio.Cancelled)[0] is None
    assert len(trace.reports) == 2
    assert crowd.statistics().crashed == 0


async def test_a_cancelled_that_nobody_asked_for_is_a_crash_and_cancels_no_sibling(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    crowd = await running(nursery, crowd_of(trace))

    async def leak() -> None:
        kept: list[trio.Cancelled] = []
        with trio.CancelScope() as scope:
            scope.cancel()
            try:
                await trio.sleep_forever()
            except trio.Cancelled as cancelled:
                kept.append(cancelled)
                raise
        raise kept[0]

    crowd.start_nowait("steady", scripted(trace, "steady"))
    crowd.start_nowait("leak", leak)
    await trio.sleep(1)
    assert [type(report.error) for report in trace.reported(ChildCrashed)] == [trio.Cancelled]
    assert crowd.count == 1


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_what_is_meant_for_the_process_passes_on_after_the_others_stopped(
    autojump_clock: MockClock, kind: type[BaseException]
) -> None:
    trace = Trace()
    crowd = crowd_of(trace)

    async def interrupt() -> None:
        await trio.sleep(1)
        raise kind

    with pytest.raises(BaseExceptionGroup) as caught:
        await run_with(crowd, {"steady": scripted(trace, "steady", Life(stop_takes=1)), "interrupt": interrupt})
    assert caught.group_contains(kind)
    assert trace.of("gone") == ["steady"]
    assert trace.reports == []


@pytest.mark.parametrize("ticks", range(5))
async def test_while_a_child_ends_it_no_other_is_taken(autojump_clock: MockClock, ticks: int) -> None:
    trace = Trace()
    crowd = crowd_of(trace)

    async def interrupt() -> None:
        raise KeyboardInterrupt

    async def come_late() -> None:
        with trio.CancelScope(shield=True), contextlib.suppress(NotRunning):
            for _ in range(ticks):
                await trio.lowlevel.checkpoint()
            crowd.start_nowait("late", trio.sleep_forever)

    with pytest.raises(BaseExceptionGroup) as caught:
        await run_with(crowd, {"interrupt": interrupt}, come_late)
    assert caught.group_contains(KeyboardInterrupt)
    assert not caught.group_contains(RuntimeError)
    assert crowd.count == 0


async def test_a_reporter_that_raises_ends_it_and_leaves_no_child(autojump_clock: MockClock) -> None:
    class Broken(Trace):
        def report(self, report: object, /) -> None:
            raise Failure("the reporter")

    trace = Broken()
    crowd = crowd_of(trace)
    bodies = {"steady": scripted(trace, "steady"), "crash": scripted(trace, "crash", Life(lasts=1))}
    with pytest.raises(BaseExceptionGroup) as caught:
        await run_with(crowd, bodies)
    assert caught.group_contains(Failure)
    assert trace.of("gone") == ["steady"]
    assert crowd.count == 0


async def test_it_holds_nothing_of_children_that_ended(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    crowd = await running(nursery, crowd_of(trace))

    class Body:
        async def __call__(self) -> None:
            await trio.sleep(1)

    body = Body()
    gone = weakref.ref(body)
    crowd.start_nowait("a", body)
    del body
    await trio.sleep(2)
    gc.collect()
    assert gone() is None
