"""What may leave a child: exception groups, a stray Cancelled, what is meant for the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from actors.child import divide
from actors.childspec import ChildSpec, Restart
from actors.report import ChildCrashed, ChildRestarted, StopRaised
from actors.supervisor import Supervisor
from tests.actors.scripted import Failure, Trace, child


async def capture_cancelled() -> trio.Cancelled:
    """A Cancelled whose scope is gone."""
    kept: list[trio.Cancelled] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        try:
            await trio.lowlevel.checkpoint()
        except trio.Cancelled as cancelled:
            kept.append(cancelled)
            raise
    return kept.pop()


def once(act: Callable[[], Awaitable[None]]) -> ChildSpec:
    """A child that acts one second after its first start, and is steady when it is started again."""
    first = [True]

    async def body(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        if first:
            first.clear()
            await trio.sleep(1)
            await act()
        await trio.sleep_forever()

    return ChildSpec("b", body)


async def watch(trace: Trace, spec: ChildSpec) -> None:
    supervisor = Supervisor("s", [child(trace, "a"), spec, child(trace, "c")], reporter=trace)
    with trio.move_on_after(10):
        await supervisor.run()
    assert all(time >= 1 for time in trace.times("a", "asked") + trace.times("c", "asked"))


async def test_a_group_reaches_the_report_whole(autojump_clock: MockClock) -> None:
    async def act() -> None:
        raise ExceptionGroup("two", [Failure("x"), ExceptionGroup("inner", [ValueError("y")])])

    trace = Trace()
    await watch(trace, once(act))
    (crash,) = trace.reported(ChildCrashed)
    assert isinstance(crash.error, ExceptionGroup)
    assert [type(error) for error in crash.error.exceptions] == [Failure, ExceptionGroup]
    assert trace.times("a", "asked") == [10], "no sibling is cancelled"


async def test_a_failing_nursery_inside_a_child_is_a_crash_of_that_child_alone(autojump_clock: MockClock) -> None:
    async def act() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            raise Failure("inside")

    trace = Trace()
    await watch(trace, once(act))
    assert len(trace.reported(ChildCrashed)) == 1
    assert len(trace.reported(ChildRestarted)) == 1
    assert trace.times("c", "asked") == [10]


@pytest.mark.parametrize("grouped", [False, True])
async def test_a_cancelled_that_nobody_asked_for_is_a_crash_and_cancels_no_sibling(
    autojump_clock: MockClock, grouped: bool
) -> None:
    async def act() -> None:
        stray = await capture_cancelled()
        if grouped:
            raise BaseExceptionGroup("both", [stray, Failure("x")])
        raise stray

    trace = Trace()
    await watch(trace, once(act))
    assert len(trace.reported(ChildCrashed)) == 1
    assert len(trace.reported(ChildRestarted)) == 1
    assert trace.times("a", "asked") == [10]


async def test_swallowing_a_cancelled_and_returning_is_a_stop(autojump_clock: MockClock) -> None:
    async def body(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            return

    trace = Trace()
    with trio.move_on_after(3):
        await Supervisor("s", [ChildSpec("b", body)], reporter=trace).run()
    assert trace.reports == []


async def test_a_failure_grouped_with_the_cancelled_of_a_stop_is_not_dropped(autojump_clock: MockClock) -> None:
    async def fails_late() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise Failure("in clean-up")

    async def body(task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fails_late)

    trace = Trace()
    with trio.move_on_after(3) as scope:
        await Supervisor("s", [ChildSpec("b", body)], reporter=trace).run()
    assert scope.cancelled_caught
    (report,) = trace.reports
    assert isinstance(report, StopRaised)
    assert isinstance(report.error, ExceptionGroup)
    assert report.error.subgroup(Failure) is not None


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("restart", Restart)
async def test_what_is_meant_for_the_process_passes_on_after_an_ordered_stop(
    autojump_clock: MockClock, kind: type[BaseException], restart: Restart
) -> None:
    async def act() -> None:
        raise BaseExceptionGroup("both", [kind(), Failure("x")])

    trace = Trace()
    spec = once(act)
    supervisor = Supervisor(
        "s", [child(trace, "a"), ChildSpec("b", spec.run, restart), child(trace, "c")], reporter=trace
    )
    with pytest.raises(BaseExceptionGroup) as caught, trio.fail_after(60):
        await supervisor.run()
    assert caught.group_contains(kind)
    assert not caught.group_contains(Failure)
    assert trace.of("gone") == ["c", "a"]
    (report,) = trace.reports
    assert isinstance(report, StopRaised), "the other half of the group is reported, not dropped"


async def test_a_reporter_that_raises_ends_the_supervisor_and_leaves_no_child(autojump_clock: MockClock) -> None:
    class Broken(Trace):
        def report(self, report: object, /) -> None:
            raise Failure("reporter")

    async def act() -> None:
        raise Failure("child")

    trace = Broken()
    with pytest.raises(ExceptionGroup) as caught:
        await Supervisor("s", [child(trace, "a"), once(act), child(trace, "c")], reporter=trace).run()
    assert caught.group_contains(Failure, match="reporter")
    assert trace.of("gone") == ["c", "a"]


def test_divide_parts_a_group_and_keeps_all_of_it() -> None:
    passing, own = divide(BaseExceptionGroup("g", [KeyboardInterrupt(), BaseExceptionGroup("h", [ValueError("v")])]))
    assert isinstance(passing, BaseExceptionGroup)
    assert isinstance(own, BaseExceptionGroup)
    assert passing.subgroup(ValueError) is None
    assert own.subgroup(ValueError) is not None
    assert divide(ValueError())[0] is None
    assert divide(SystemExit())[1] is None
