"""Restarts under a dynamic supervisor."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from actors.childspec import Intensity, Restart
from actors.report import ChildCrashed, ChildRestarted
from actors.supervision import RestartsExceeded
from tests.actors.dynamic_tools import dynamic, running
from tests.actors.scripted import Life, Trace, child

CRASH = Life(lasts=1)
TEMPORARY, TRANSIENT = Restart.TEMPORARY, Restart.TRANSIENT


async def test_a_temporary_child_is_never_restarted_and_its_crash_harms_nobody(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    for number in range(5):
        supervisor.start_child_nowait(child(trace, f"{number}", CRASH, restart=TEMPORARY))
    steady = supervisor.start_child_nowait(child(trace, "steady", restart=TEMPORARY))
    await trio.sleep_until(5)
    assert len(trace.reported(ChildCrashed)) == 5
    assert trace.of("asked") == []
    assert steady.running
    assert supervisor.count == 1
    assert supervisor.statistics().crashed == 5


async def test_a_transient_child_comes_back_after_a_crash_by_the_same_handle(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    handle = await supervisor.start_child(child(trace, "a", CRASH, Life(lasts=1, crashes=False), restart=TRANSIENT))
    await trio.sleep_until(2)
    waiting = (handle.running, supervisor.count)
    assert waiting == (False, 1), "one that waits for its restart is held"
    await trio.sleep_until(3.5)
    assert (handle.running, supervisor.count) == (True, 1)
    assert trace.reported(ChildRestarted) == [ChildRestarted("d", "a", "a", 2.0)]
    await trio.sleep_until(10)
    assert supervisor.count == 0, "it ended normally"


async def test_back_off_of_one_delays_no_other(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
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


async def test_a_permanent_child_that_raises_while_being_stopped_is_not_restarted(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    handle = await supervisor.start_child(child(trace, "a", Life(stop_raises=True)))
    assert await supervisor.stop_child(handle)
    await trio.sleep_until(30)
    assert trace.of("start") == ["a"]
    assert supervisor.statistics().crashed == 0


@pytest.mark.parametrize("when", [1.5, 3.25])
async def test_a_child_stopped_while_it_waits_for_its_restart_or_comes_up_stays_away(
    autojump_clock: MockClock, nursery: trio.Nursery, when: float
) -> None:
    trace = Trace()
    supervisor = await running(nursery, dynamic(trace))
    handle = await supervisor.start_child(child(trace, "a", CRASH, Life(ack=1), restart=TRANSIENT))
    await trio.sleep_until(when)
    assert await supervisor.stop_child(handle)
    await trio.sleep_until(30)
    assert trace.of("up") == ["a"]
    assert supervisor.count == 0
