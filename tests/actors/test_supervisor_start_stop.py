"""Ordered start with acknowledgement, ordered stop with deadlines."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from actors.child import StartFailed
from actors.childspec import ChildSpec, Restart
from actors.report import ChildStartFailed, DeadlineOutlived, EndedLate, StopRaised
from actors.supervisor import Supervisor
from tests.actors.scripted import Failure, Life, Trace, child


async def test_children_start_in_order_each_after_the_acknowledgement_before(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = Supervisor("s", [child(trace, "a", Life(ack=1)), child(trace, "b", Life(ack=1))], reporter=trace)
    await nursery.start(supervisor.run)
    assert trace.events == [(0, "a", "start"), (1, "a", "up"), (1, "b", "start"), (2, "b", "up")]
    assert supervisor.count == 2
    assert supervisor.running


async def test_a_late_acknowledgement_within_the_deadline_is_a_start(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    await nursery.start(Supervisor("s", [child(trace, "a", Life(ack=1.9), start_deadline=2)], reporter=trace).run)
    assert trace.of("up") == ["a"]


async def test_children_stop_in_reverse_one_by_one(autojump_clock: MockClock) -> None:
    trace = Trace()
    slow = Life(stop_takes=0.5)
    supervisor = Supervisor("s", [child(trace, name, slow) for name in "abc"], reporter=trace)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        supervisor.stop()
    stops = [noted for noted in trace.events if noted[2] in {"asked", "gone"}]
    assert stops == [
        (0, "c", "asked"),
        (0.5, "c", "gone"),
        (0.5, "b", "asked"),
        (1, "b", "gone"),
        (1, "a", "asked"),
        (1.5, "a", "gone"),
    ]
    assert not supervisor.running


async def test_cancelled_from_outside_it_stops_in_order_and_cancelled_goes_on(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = Supervisor("s", [child(trace, name, Life(stop_takes=0.5)) for name in "ab"], reporter=trace)
    after: list[str] = []
    with trio.CancelScope(deadline=3) as scope:
        try:
            await supervisor.run()
        finally:
            after.append("left")
        after.append("went on")
    assert scope.cancelled_caught
    assert after == ["left"]
    assert trace.of("gone") == ["b", "a"]
    assert trace.times("a", "asked") == [3.5]


async def test_those_started_are_stopped_in_reverse_when_one_fails_to_start(autojump_clock: MockClock) -> None:
    trace = Trace()
    specs = [child(trace, "a"), child(trace, "b"), child(trace, "c", Life(fails=True)), child(trace, "d")]
    with pytest.raises(StartFailed, match="c failed to start: c") as caught:
        await Supervisor("s", specs, reporter=trace).run()
    assert isinstance(caught.value.__cause__, Failure)
    assert trace.of("gone") == ["b", "a"]
    assert "d" not in trace.of("start")


async def test_a_start_that_passes_its_deadline_fails(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = Supervisor(
        "s", [child(trace, "a"), child(trace, "b", Life(ack=None), start_deadline=2)], reporter=trace
    )
    with pytest.raises(StartFailed) as caught:
        await supervisor.run()
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert trace.times("b", "gone") == [2]
    assert trace.of("gone") == ["b", "a"]
    assert [report.child for report in trace.reported(ChildStartFailed)] == ["b"]


async def test_a_start_that_fails_and_will_not_end_gets_one_stop_deadline(autojump_clock: MockClock) -> None:
    trace = Trace()
    stubborn = child(trace, "b", Life(ack=None, stop_takes=30), start_deadline=2, stop_deadline=3)
    with pytest.raises(StartFailed):
        await Supervisor("s", [child(trace, "a"), stubborn], reporter=trace).run()
    assert trace.times("b", "outlived") == [5]
    assert trace.times("a", "gone") == [5]
    assert trio.current_time() == 32


async def test_an_acknowledgement_after_the_deadline_is_dropped(autojump_clock: MockClock) -> None:
    async def late(task_status: trio.TaskStatus[None]) -> None:
        try:
            await trio.sleep_forever()
        finally:
            task_status.started()

    trace = Trace()
    supervisor = Supervisor("s", [ChildSpec("late", late, start_deadline=1)], reporter=trace)
    with pytest.raises(StartFailed):
        await supervisor.run()


async def test_returning_without_an_acknowledgement_is_a_failed_start(autojump_clock: MockClock) -> None:
    async def silent(task_status: trio.TaskStatus[None]) -> None:
        await trio.lowlevel.checkpoint()

    trace = Trace()
    with pytest.raises(StartFailed, match="without an acknowledgement"):
        await Supervisor("s", [ChildSpec("silent", silent)], reporter=trace).run()


async def test_a_child_that_outlives_its_deadline_is_reported_and_holds_up_no_other(autojump_clock: MockClock) -> None:
    trace = Trace()
    stubborn = child(trace, "b", Life(stop_takes=60), stop_deadline=2)
    supervisor = Supervisor("s", [child(trace, "a"), stubborn, child(trace, "c")], reporter=trace)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        supervisor.stop()
        await supervisor.wait_stopped()
        assert trio.current_time() == 2, "the ordered stop is over once the deadline of the last child has passed"
        assert trace.of("gone") == ["c", "a"]
        assert supervisor.statistics().overdue == 1
    assert trace.reported(DeadlineOutlived) == [DeadlineOutlived("s", "b", 2)]
    assert trace.times("a", "asked") == [2]
    assert trace.reported(EndedLate) == [EndedLate("s", "b", 58)]
    assert trio.current_time() == 60, "the supervisor ends only when everything in it has"
    assert supervisor.statistics().overdue == 0


async def test_raising_while_being_stopped_is_no_crash_but_is_reported(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = Supervisor("s", [child(trace, "a", Life(stop_raises=True))], reporter=trace)
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        supervisor.stop()
    (report,) = trace.reports
    assert isinstance(report, StopRaised)
    assert isinstance(report.error, Failure)
    assert supervisor.statistics().crashed == 0
    assert trace.of("start") == ["a"]


async def test_stopped_while_it_starts_it_stops_those_that_were_started(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = Supervisor("s", [child(trace, "a"), child(trace, "b", Life(ack=None))], reporter=trace)
    with trio.move_on_after(1):
        await supervisor.run()
    assert trace.of("gone") == ["b", "a"]
    assert trio.current_time() == 1


async def test_it_can_run_again_but_not_twice_at_once(autojump_clock: MockClock) -> None:
    trace = Trace()
    supervisor = Supervisor("s", [child(trace, "a", restart=Restart.TEMPORARY)], reporter=trace)
    for _ in range(2):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            with pytest.raises(RuntimeError, match="s is running"):
                await supervisor.run()
            supervisor.stop()
    assert trace.of("up") == ["a", "a"]


def test_names_of_children_differ() -> None:
    trace = Trace()
    with pytest.raises(ValueError, match="same name"):
        Supervisor("s", [child(trace, "a"), child(trace, "a")], reporter=trace)
