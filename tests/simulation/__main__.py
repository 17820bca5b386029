"""`python -m tests.simulation --schedules 100000 --seed 0`: random schedules, until one breaks the property."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from tests.simulation.run import Outcome, run_schedule
from tests.simulation.schedule import Schedule, make_schedule
from tests.simulation.shrink import shrink

_PROGRESS_SECONDS = 10.0
_TRACE = 60


def main() -> int:
    """0 where the property held in all schedules, 1 where it did not."""
    arguments = _parser().parse_args()
    if arguments.replay is not None:
        schedule = msgspec.json.decode(arguments.replay.read_bytes(), type=Schedule)
        return _show(run_schedule(schedule))
    began = told = time.monotonic()
    for number in range(arguments.schedules):
        seed = arguments.seed + number
        schedule = make_schedule(seed)
        outcome = run_schedule(schedule)
        if outcome.violation:
            print(f"seed {seed}: {outcome.violation}", flush=True)
            return _report(schedule, outcome, arguments.failure)
        if (now := time.monotonic()) - told > _PROGRESS_SECONDS:
            told = now
            print(f"{number + 1} schedules, {(number + 1) / (now - began):.0f}/s, the property holds", flush=True)
    seconds = time.monotonic() - began
    print(f"the property held in {arguments.schedules} schedules from seed {arguments.seed}, in {seconds:.0f} s")
    return 0


def _report(schedule: Schedule, outcome: Outcome, path: Path) -> int:
    least = shrink(schedule, lambda simpler: run_schedule(simpler).rule == outcome.rule)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(least)))
    print(f"shrunk from {len(schedule.steps)} steps to {len(least.steps)}, {least.shape}:")
    for step in least.steps:
        print(f"  {step}")
    _show(run_schedule(least))
    print(f"to see it again: {sys.executable} -m tests.simulation --replay {path}")
    return 1


def _show(outcome: Outcome) -> int:
    for line in outcome.trace[-_TRACE:]:
        print(f"    {line}")
    print(outcome.violation or "the property holds")
    return 1 if outcome.violation else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=100_000, help="how many (default 100000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first one; each next has the next (default 0)")
    parser.add_argument("--failure", type=Path, default=Path("failure.json"), help="where a shrunk failure is written")
    parser.add_argument("--replay", type=Path, help="runs the schedule of such a file alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
