"""The arithmetic of restarts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.childspec import Backoff, ChildSpec, Intensity, Restart, Strategy
from actors.restarts import End, RestartWindow, group_of, next_delay, restarts_after
from tests.actors.scripted import Trace, script


@pytest.mark.parametrize(
    ("restart", "after"),
    [
        (Restart.PERMANENT, {End.NORMAL, End.CRASH}),
        (Restart.TRANSIENT, {End.CRASH}),
        (Restart.TEMPORARY, set()),
    ],
)
def test_which_ends_a_kind_of_child_is_restarted_after(restart: Restart, after: set[End]) -> None:
    assert {end for end in End if restarts_after(restart, end)} == after


@pytest.mark.parametrize(
    ("strategy", "group"),
    [(Strategy.ONE_FOR_ONE, [1]), (Strategy.ONE_FOR_ALL, [0, 1, 2]), (Strategy.REST_FOR_ONE, [1, 2])],
)
def test_who_is_restarted_with_the_middle_one_of_three(strategy: Strategy, group: list[int]) -> None:
    assert list(group_of(strategy, 1, 3)) == group


def test_the_window_allows_as_many_as_the_intensity_says() -> None:
    window = RestartWindow(Intensity(2, 10.0))
    assert [window.allow(time) for time in (0.0, 1.0, 2.0)] == [True, True, False]


def test_the_window_forgets_what_is_older_than_the_period() -> None:
    window = RestartWindow(Intensity(1, 10.0))
    assert window.allow(0.0)
    assert not window.allow(10.0)
    assert window.allow(20.5)


def test_no_restart_is_allowed_at_intensity_zero() -> None:
    assert not RestartWindow(Intensity(0, 1.0)).allow(0.0)


@given(st.integers(0, 5), st.floats(0.5, 20), st.lists(st.floats(0, 10), max_size=30))
def test_the_window_counts_like_a_list_of_all_times(restarts: int, period: float, gaps: list[float]) -> None:
    window = RestartWindow(Intensity(restarts, period))
    times: list[float] = []
    for gap in gaps:
        times.append((times[-1] if times else 0.0) + gap)
        within = [time for time in times if times[-1] - time <= period]
        assert window.allow(times[-1]) == (len(within) <= restarts)


def test_back_off_grows_to_its_most() -> None:
    backoff = Backoff(first=0.5, factor=2.0, most=3.0)
    delays: list[float] = []
    for _ in range(5):
        delays.append(next_delay(backoff, delays[-1] if delays else None, ran=0.0))
    assert delays == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_back_off_begins_anew_after_a_good_run() -> None:
    backoff = Backoff(first=0.5, factor=2.0, most=3.0, reset_after=10.0)
    assert next_delay(backoff, 2.0, ran=9.9) == 3.0
    assert next_delay(backoff, 2.0, ran=10.0) == 0.5


@given(st.floats(0, 10), st.floats(1, 1e300), st.floats(0, 10))
def test_back_off_never_exceeds_its_most_nor_overflows(first: float, factor: float, most: float) -> None:
    backoff = Backoff(first, factor, most)
    delay = None
    for _ in range(50):
        delay = next_delay(backoff, delay, ran=0.0)
        assert 0 <= delay <= most


@pytest.mark.parametrize("deadline", [-1.0, math.inf, math.nan])
def test_a_deadline_is_finite_and_not_negative(deadline: float) -> None:
    body = script(Trace(), "a")
    with pytest.raises(ValueError, match="deadlines of 'a'"):
        ChildSpec("a", body, stop_deadline=deadline)
    with pytest.raises(ValueError, match="deadlines of 'a'"):
        ChildSpec("a", body, start_deadline=deadline)


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="intensity"):
        Intensity(-1, 5.0)
    with pytest.raises(ValueError, match="intensity"):
        Intensity(1, 0.0)
    with pytest.raises(ValueError, match="back-off"):
        Backoff(first=-0.1)
    with pytest.raises(ValueError, match="back-off"):
        Backoff(factor=0.5)
