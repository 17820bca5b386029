"""Strategies, kinds of children, intensity and back-off."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from actors.childspec import Backoff, ChildSpec, Intensity, Restart, Strategy
from actors.report import ChildCrashed, ChildRestarted, ChildStartFailed, GaveUp
from actors.supervision import RestartsExceeded
from actors.supervisor import Supervisor
from tests.actors.scripted import Failure, Life, Trace, child

CRASH = Life(lasts=1)
RETURN = Life(lasts=1, crashes=False)
FEW = Intensity(2, 100.0)


async def watch(
    trace: Trace,
    *specs: ChildSpec,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = Intensity(10, 100.0),  # noqa: B008  # frozen
    backoff: Backoff = Backoff(0.5, 2.0, 4.0, 20.0),  # noqa: B008  # frozen
    seconds: float = 50,
) -> Supervisor:
    """Runs a supervisor for some seconds; its trace ends before its stop."""
    supervisor = Supervisor("s", specs, reporter=trace, strategy=strategy, intensity=intensity, backoff=backoff)
    with trio.move_on_after(seconds):
        try:
            await supervisor.run()
        finally:
            trace.events = [noted for noted in trace.events if noted[0] < seconds]
    return supervisor


async def test_one_for_one_restarts_the_one_and_cancels_no_sibling(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = await watch(trace, child(trace, "a"), child(trace, "b", CRASH), child(trace, "c"))
    assert trace.of("start") == ["a", "b", "c", "b"]
    assert trace.of("asked") == []
    assert [type(report.error) for report in trace.reported(ChildCrashed)] == [Failure]
    assert trace.reported(ChildRestarted) == [ChildRestarted("s", "b", "b", 0.5)]
    statistics = supervisor.statistics()
    assert (statistics.started, statistics.crashed, statistics.restarted) == (4, 1, 1)


@pytest.mark.parametrize("strategy", Strategy)
@pytest.mark.parametrize("end", [CRASH, RETURN])
async def test_the_end_of_a_temporary_child_changes_nothing_for_anyone(
    autojump_clock: MockClock, strategy: Strategy, end: Life
) -> None:
    trace = Trace()
    temporary = child(trace, "b", end, restart=Restart.TEMPORARY)
    await watch(trace, child(trace, "a"), temporary, child(trace, "c"), strategy=strategy)
    assert trace.of("start") == ["a", "b", "c"]
    assert trace.of("asked") == []


async def test_one_for_all_stops_all_in_reverse_and_starts_all_in_order(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, "a"), child(trace, "b", CRASH), child(trace, "c")]
    await watch(trace, *specs, strategy=Strategy.ONE_FOR_ALL)
    assert trace.of("gone") == ["c", "a"]
    assert trace.of("start") == ["a", "b", "c", "a", "b", "c"]
    assert {report.cause for report in trace.reported(ChildRestarted)} == {"b"}


async def test_rest_for_one_restarts_those_after_it_too(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, "a"), child(trace, "b", CRASH), child(trace, "c"), child(trace, "d")]
    await watch(trace, *specs, strategy=Strategy.REST_FOR_ONE)
    assert trace.of("gone") == ["d", "c"]
    assert trace.of("start") == ["a", "b", "c", "d", "b", "c", "d"]


@pytest.mark.parametrize("strategy", [Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE])
async def test_a_temporary_child_is_stopped_with_its_siblings_and_stays_away(
    autojump_clock: MockClock, strategy: Strategy
) -> None:
    trace = Trace()
    specs = [child(trace, "a", CRASH), child(trace, "b", restart=Restart.TEMPORARY), child(trace, "c")]
    await watch(trace, *specs, strategy=strategy)
    assert trace.of("gone") == ["c", "b"]
    assert trace.of("start") == ["a", "b", "c", "a", "c"]


async def test_a_permanent_child_is_restarted_after_a_normal_end_too(autojump_clock: MockClock) -> None:
    trace = Trace()
    await watch(trace, child(trace, "a", RETURN))
    assert trace.of("start") == ["a", "a"]
    assert trace.reported(ChildCrashed) == []


async def test_a_transient_child_is_restarted_after_a_crash_only(autojump_clock: MockClock) -> None:
    trace = Trace()
    await watch(trace, child(trace, "a", CRASH, RETURN, restart=Restart.TRANSIENT))
    assert trace.of("start") == ["a", "a"]


async def test_a_transient_child_that_ended_comes_back_with_its_group(autojump_clock: MockClock) -> None:
    trace = Trace()
    done = child(trace, "a", RETURN, restart=Restart.TRANSIENT)
    await watch(trace, done, child(trace, "b", Life(lasts=5)), strategy=Strategy.ONE_FOR_ALL)
    assert trace.of("start") == ["a", "b", "a", "b"]


async def test_beyond_its_intensity_it_stops_its_children_and_ends_abnormally(autojump_clock: MockClock) -> None:
    trace = Trace()
    crashing = child(trace, "b", CRASH, CRASH, CRASH)
    with pytest.raises(RestartsExceeded) as caught:
        await watch(trace, child(trace, "a"), crashing, child(trace, "c"), intensity=FEW)
    assert isinstance(caught.value.__cause__, Failure)
    assert trace.of("start") == ["a", "b", "c", "b", "b"]
    assert trace.of("gone") == ["c", "a"]
    assert [report.child for report in trace.reported(GaveUp)] == ["b"]


async def test_restarts_spread_over_more_than_the_period_are_not_too_many(autojump_clock: MockClock) -> None:
    trace = Trace()
    crashes = [Life(lasts=3) for _ in range(5)]
    await watch(trace, child(trace, "a", *crashes), intensity=Intensity(1, 2.0))
    assert len(trace.of("up")) == 6


async def test_the_intensity_is_the_supervisors_not_each_childs(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, name, Life(lasts=lasts)) for lasts, name in enumerate("abc", start=1)]
    with pytest.raises(RestartsExceeded, match="gave up on c"):
        await watch(trace, *specs, intensity=FEW)


async def test_a_group_restart_counts_once(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, "a", CRASH, CRASH), *(child(trace, name) for name in "bcde")]
    await watch(trace, *specs, strategy=Strategy.ONE_FOR_ALL, intensity=FEW)
    assert len(trace.of("start")) == 15


async def test_children_of_a_group_that_crash_together_count_once(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, name, CRASH, CRASH) for name in "abc"]
    await watch(trace, *specs, strategy=Strategy.ONE_FOR_ALL, intensity=FEW)
    assert len(trace.of("start")) == 9


async def test_a_failed_restart_counts(autojump_clock: MockClock) -> None:
    trace = Trace()
    failing = child(trace, "a", CRASH, Life(fails=True), Life(fails=True))
    with pytest.raises(RestartsExceeded) as caught:
        await watch(trace, failing, intensity=FEW)
    assert len(trace.reported(ChildStartFailed)) == 2
    assert caught.value.__cause__ is not None


async def test_a_failed_restart_is_tried_again(autojump_clock: MockClock) -> None:
    trace = Trace()
    failing = child(trace, "a", CRASH, Life(fails=True))
    await watch(trace, failing, child(trace, "b"), intensity=FEW, strategy=Strategy.ONE_FOR_ALL)
    assert trace.of("up") == ["a", "b", "a", "b"]


async def test_a_restart_that_passes_its_start_deadline_counts(autojump_clock: MockClock) -> None:
    trace = Trace()
    with pytest.raises(RestartsExceeded):
        await watch(trace, child(trace, "a", CRASH, Life(ack=None)), intensity=Intensity(1, 100.0))
    assert isinstance(trace.reported(ChildStartFailed)[0].error, TimeoutError)


async def test_a_restart_acknowledged_too_late_counts_once(autojump_clock: MockClock) -> None:
    first = [True]

    async def late(task_status: trio.TaskStatus[None]) -> None:
        if first:
            first.clear()
            task_status.started()
            raise Failure
        try:
            await trio.sleep_forever()
        finally:
            task_status.started()

    trace = Trace()
    with pytest.raises(RestartsExceeded):
        await watch(trace, ChildSpec("late", late), intensity=FEW)
    assert len(trace.reported(ChildStartFailed)) == 2


async def test_a_sibling_that_raises_while_its_group_is_stopped_has_not_crashed(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, "a", CRASH), child(trace, "b", Life(stop_raises=True)), child(trace, "c")]
    await watch(trace, *specs, strategy=Strategy.ONE_FOR_ALL, intensity=Intensity(1, 100.0))
    assert trace.of("start") == ["a", "b", "c", "a", "b", "c"]
    assert [report.child for report in trace.reported(ChildCrashed)] == ["a"]


async def test_back_off_grows_between_restarts_and_begins_anew_after_a_good_run(autojump_clock: MockClock) -> None:
    trace = Trace()
    await watch(trace, child(trace, "a", CRASH, CRASH, Life(lasts=30), CRASH))
    assert trace.times("a", "start") == [0, 1.5, 3.5, 34, 36]


async def test_back_off_of_one_child_delays_no_sibling_with_one_for_one(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, "a", CRASH), child(trace, "b", Life(lasts=1.2))]
    await watch(trace, *specs, backoff=Backoff(4.0, 1.0, 4.0, 20.0))
    assert trace.times("a", "start") == [0, 5]
    assert trace.times("b", "start") == pytest.approx([0, 5.2])


async def test_no_run_begins_while_the_one_before_it_lives(autojump_clock: MockClock) -> None:
    trace = Trace()
    stubborn = child(trace, "b", Life(stop_takes=10), stop_deadline=1)
    await watch(trace, child(trace, "a", CRASH), stubborn, strategy=Strategy.ONE_FOR_ALL)
    assert trace.of("outlived") == ["b"]
    assert trace.times("b", "gone") == [11]
    assert trace.times("b", "start") == [0, 11]


async def test_a_stop_during_the_back_off_restarts_nothing(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = Supervisor(
        "s", [child(trace, "a", CRASH), child(trace, "b")], reporter=trace, backoff=Backoff(10.0, 1.0, 10.0)
    )
    with trio.move_on_after(3):
        await supervisor.run()
    assert trace.of("start") == ["a", "b"]
    assert trio.current_time() == 3


async def test_the_count_begins_anew_when_it_runs_again(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = Supervisor(
        "s", [child(trace, "a", CRASH, CRASH, CRASH)], reporter=trace, intensity=Intensity(1, 100.0)
    )
    with pytest.raises(RestartsExceeded):
        await supervisor.run()
    with trio.move_on_after(20) as scope:
        await supervisor.run()
    assert scope.cancelled_caught
    assert len(trace.of("up")) == 4
