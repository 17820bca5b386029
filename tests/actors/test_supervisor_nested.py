"""Trees: a supervisor as a child of another."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from actors.child import StartFailed
from actors.childspec import ChildSpec, Intensity, Restart, Strategy
from actors.dynamic_supervisor import DynamicSupervisor
from actors.report import ChildCrashed, ChildRestarted, DeadlineOutlived, GaveUp
from actors.supervision import RestartsExceeded
from actors.supervisor import Supervisor
from tests.actors.scripted import Life, Trace, child

CRASH = Life(lasts=1)


async def test_a_nested_supervisor_stops_in_order_in_its_turn(autojump_clock: MockClock) -> None:
    trace = Trace()
    slow = Life(stop_takes=0.75)
    inner = Supervisor("inner", [child(trace, "b", slow), child(trace, "c", slow)], reporter=trace)
    outer = Supervisor("outer", [child(trace, "a", slow), inner.as_child(), child(trace, "d", slow)], reporter=trace)
    with trio.move_on_after(10) as scope:
        await outer.run()
    assert scope.cancelled_caught
    assert trace.of("start") == ["a", "b", "c", "d"]
    assert [trace.times(name, "asked")[0] for name in "dcba"] == [10, 10.75, 11.5, 12.25]
    assert trace.reports == []


async def test_a_stubborn_grandchild_is_its_own_supervisors_matter_while_the_deadlines_hold(
    autojump_clock: MockClock,
) -> None:
    trace = Trace()
    inner = Supervisor("inner", [child(trace, "b"), child(trace, "c", Life(stop_takes=30))], reporter=trace)
    outer = Supervisor("outer", [child(trace, "a"), inner.as_child()], reporter=trace)
    with trio.move_on_after(10):
        await outer.run()
    assert [(report.supervisor, report.child) for report in trace.reported(DeadlineOutlived)] == [
        ("inner", "c"),
        ("outer", "inner"),
    ]
    assert trace.times("b", "asked") == [11]
    assert trace.times("a", "asked") == [13], "after the inner one's two children and its grace"
    assert trio.current_time() == 40


async def test_giving_up_is_a_crash_to_the_parent_which_restarts_the_whole_subtree(autojump_clock: MockClock) -> None:
    trace = Trace()
    crashing = child(trace, "b", CRASH, CRASH)
    inner = Supervisor("inner", [child(trace, "a"), crashing], reporter=trace, intensity=Intensity(1, 60.0))
    outer = Supervisor("outer", [inner.as_child(), child(trace, "z")], reporter=trace)
    with trio.move_on_after(20):
        await outer.run()
    assert [report.supervisor for report in trace.reported(GaveUp)] == ["inner"]
    crash = trace.reported(ChildCrashed)[-1]
    assert (crash.supervisor, crash.child) == ("outer", "inner")
    assert isinstance(crash.error, RestartsExceeded)
    assert ("outer", "inner") in [(report.supervisor, report.child) for report in trace.reported(ChildRestarted)]
    assert trace.of("up") == ["a", "b", "z", "b", "a", "b"]
    assert trace.times("z", "asked") == [20]


async def test_giving_up_escalates_to_the_root(autojump_clock: MockClock) -> None:
    trace = Trace()
    inner = Supervisor("inner", [child(trace, "b", *[CRASH] * 9)], reporter=trace, intensity=Intensity(1, 60.0))
    outer = Supervisor("outer", [inner.as_child()], reporter=trace, intensity=Intensity(1, 60.0))
    with pytest.raises(RestartsExceeded, match="outer gave up on inner"):
        await outer.run()
    assert len(trace.of("start")) == 4


async def test_a_failed_start_below_fails_the_start_above(autojump_clock: MockClock) -> None:
    trace = Trace()
    inner = Supervisor("inner", [child(trace, "b"), child(trace, "c", Life(fails=True))], reporter=trace)
    outer = Supervisor("outer", [child(trace, "a"), inner.as_child()], reporter=trace)
    with pytest.raises(StartFailed, match="inner failed to start: c failed to start") as caught:
        await outer.run()
    assert isinstance(caught.value.__cause__, StartFailed)
    assert trace.of("gone") == ["b", "a"]


async def test_a_slow_but_sound_nested_start_is_not_cut_short(autojump_clock: MockClock) -> None:
    trace = Trace()
    inner = Supervisor("inner", [child(trace, name, Life(ack=1.9)) for name in "abcd"], reporter=trace)
    with trio.move_on_after(20):
        await Supervisor("outer", [inner.as_child()], reporter=trace).run()
    assert trace.of("up") == ["a", "b", "c", "d"]


async def test_rest_for_one_at_the_root_restarts_supervisors_after_the_crash(autojump_clock: MockClock) -> None:
    trace = Trace()
    store = child(trace, "store", CRASH)
    tasks = DynamicSupervisor("tasks", reporter=trace, max_children=5)
    engine = Supervisor("engine", [store, tasks.as_child()], reporter=trace, strategy=Strategy.REST_FOR_ONE)
    async with trio.open_nursery() as nursery:
        await nursery.start(engine.run)
        await tasks.start_child(child(trace, "t", restart=Restart.TEMPORARY))
        await trio.sleep_until(5)
        assert trace.of("gone") == ["t"]
        assert tasks.running
        assert tasks.count == 0
        engine.stop()


Tree: TypeAlias = "str | list[Tree]"
trees = st.recursive(st.just("leaf"), lambda below: st.lists(below, min_size=1, max_size=3), max_leaves=9)


def grow(trace: Trace, tree: Tree, names: list[str], failing: int) -> ChildSpec:
    """Names leaves in order; the one of number `failing` does not come up."""
    if isinstance(tree, list):
        return Supervisor(
            f"s{id(tree)}",
            [_renamed(grow(trace, below, names, failing), n) for n, below in enumerate(tree)],
            reporter=trace,
        ).as_child()
    name = f"{len(names)}"
    names.append(name)
    return child(trace, name, Life(ack=0.5, stop_takes=0.5, fails=int(name) == failing))


def _renamed(spec: ChildSpec, number: int) -> ChildSpec:
    return ChildSpec(f"{number}", spec.run, spec.restart, spec.start_deadline, spec.stop_deadline)


@settings(max_examples=60, deadline=None)
@given(st.lists(trees, min_size=1, max_size=4), st.integers(0, 12), st.integers(0, 6))
def test_any_tree_starts_depth_first_and_stops_in_exact_reverse(tree: list[Tree], failing: int, seconds: int) -> None:
    trace = Trace()
    names: list[str] = []
    root = grow(trace, [*tree], names, failing)
    stop_at = seconds + 0.25

    async def play() -> str:
        with trio.move_on_after(stop_at):
            try:
                await root.run(trio.TASK_STATUS_IGNORED)
            except StartFailed:
                return "failed"
        return "stopped"

    outcome = trio.run(play, clock=MockClock(autojump_threshold=0))
    begun = min(len(names), int(stop_at / 0.5) + 1)
    fails = failing < begun and stop_at > failing * 0.5 + 0.5
    started = names[: failing + 1] if fails else names[:begun]
    if not fails:
        assert outcome == "stopped"
    elif stop_at > failing + 0.5:  # all were stopped for the failure before anyone asked for a stop
        assert outcome == "failed"
    assert trace.of("start") == started
    assert trace.of("gone") == [name for name in reversed(started) if not (fails and int(name) == failing)]
    gone = [time for time, _, what in trace.events if what == "gone"]
    assert all(later - earlier == 0.5 for earlier, later in pairwise(gone)), "one by one"
