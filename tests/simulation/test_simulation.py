"""The property of the log over random schedules: for some time here, for long by `make simulate`."""

from __future__ import annotations

import time

import msgspec
import pytest

from tests.conftest import IN_CI
from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import run_schedule
from tests.simulation.schedule import Do, Schedule, make_schedule
from tests.simulation.shrink import shrink

SECONDS = 20.0
MOST = 3_000
TELLING = range(540, 680)
"""Seeds of schedules among which each defect shows, and soon."""


@pytest.mark.time_limit(60)
def test_every_record_is_exact_or_has_an_explicit_gap() -> None:
    first = 0 if IN_CI else int(time.time())
    end = time.monotonic() + SECONDS
    for seed in range(first, first + MOST):
        outcome = run_schedule(make_schedule(seed))
        assert not outcome.violation, f"python -m tests.simulation --schedules 1 --seed {seed}"
        if time.monotonic() > end:
            break


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_is_a_schedule_and_a_schedule_one_course_of_events(seed: int) -> None:
    schedule = make_schedule(seed)
    outcome = run_schedule(schedule)
    again = msgspec.json.decode(msgspec.json.encode(schedule), type=Schedule)
    assert again == make_schedule(seed)
    assert run_schedule(again) == outcome
    assert run_schedule(make_schedule(seed + 1)).trace != outcome.trace


@pytest.mark.parametrize("seed", [46, 293, 294])
def test_this_machines_clock_has_no_part_in_it(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here frames are longer or shorter by the digits of the time that they tell."""
    outcomes = []
    for milliseconds in (1_790_000_000_000, 1_790_000_000_123):
        monkeypatch.setattr(time, "time_ns", lambda now=milliseconds: now * 1_000_000)
        outcomes.append(run_schedule(make_schedule(seed)))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("name", MUTATIONS)
def test_finds_a_defect(name: str) -> None:
    assert _first_failure(name) is not None


def test_schedules_do_everything() -> None:
    done = {step.do for seed in range(100) for step in make_schedule(seed).steps}
    assert done == set(Do)


def test_a_failure_shrinks_to_what_it_takes() -> None:
    schedule = _first_failure("keep the epoch after a loss")
    assert schedule is not None
    with MUTATIONS["keep the epoch after a loss"]():
        rule = run_schedule(schedule).rule
        least = shrink(schedule, lambda simpler: run_schedule(simpler).rule == rule)
        assert run_schedule(least).rule == rule
    assert not run_schedule(least).violation
    assert len(least.steps) < len(schedule.steps)
    assert Do.RESTORE in {step.do for step in least.steps}


def _first_failure(name: str) -> Schedule | None:
    with MUTATIONS[name]():
        schedules = (make_schedule(seed) for seed in TELLING)
        return next((schedule for schedule in schedules if run_schedule(schedule).violation), None)
