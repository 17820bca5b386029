"""Runs a schedule so that it runs the same again: clock, order of tasks, pauses and names all come from its seed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from unittest.mock import patch

import msgspec
import trio
import trio._core._run as trio_run
from trio.testing import MockClock

from actors.pace import Pace
from tests.simulation.ledger import Violation
from tests.simulation.schedule import Schedule
from tests.simulation.world import World

_NOW = 1_000_000_000.0
"""Unix seconds: some messages tell the time, and are as long as it takes to write it down."""
_STEP_ASIDE = 0.1
"""How often a long walk pauses: by the schedule's chance and not by this machine's speed."""


class Outcome(msgspec.Struct, frozen=True):
    """`violation` is empty where the property holds, else the rule that was broken and how."""

    violation: str
    rule: str
    trace: tuple[str, ...]


def run_schedule(schedule: Schedule) -> Outcome:
    """The same for the same schedule, in every process."""
    trace: list[str] = []
    with _determined(schedule.seed):
        found = trio.run(_run, schedule, trace, clock=MockClock(autojump_threshold=0))
    return Outcome(str(found or ""), found.rule if found else "", tuple(trace))


async def _run(schedule: Schedule, trace: list[str]) -> Violation | None:
    async with trio.open_nursery() as nursery:
        world = World(schedule, nursery, trace)
        found = None
        with patch("actors.log.new_epoch", world.new_epoch):
            try:
                await world.run()
            except Violation as violation:
                found = violation
        await world.discard()
        nursery.cancel_scope.cancel()
    return found


@contextmanager
def _determined(seed: int) -> Iterator[None]:
    chance = Random(seed + 2)

    def seldom(pace: Pace) -> bool:
        return chance.random() < _STEP_ASIDE

    # As hypothesis' plugin for trio: tasks that are ready at once run in an order of the seed's.
    state = trio_run._r.getstate()
    log = logging.getLogger("callboard")
    level = log.level
    # What crashes does so because it was told to.
    log.setLevel(logging.CRITICAL)
    trio_run._r.seed(seed)
    with (
        patch.object(trio_run, "_ALLOW_DETERMINISTIC_SCHEDULING", True),
        patch.object(Pace, "is_due", seldom),
        patch("time.time", lambda: _NOW),
        patch("time.time_ns", lambda: int((_NOW + trio.current_time()) * 1e9)),
    ):
        try:
            yield
        finally:
            trio_run._r.setstate(state)
            log.setLevel(level)
