"""Makes a schedule that fails as short as it gets, and fails still."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from tests.simulation.schedule import Schedule, Shape, Step

_PLAIN = Shape(topics=1, kept=1, devices=1, window=1000, in_place=32, waiting=1024, batch=4096, buffer=100_000)


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool]) -> Schedule:
    """`fails`: whether a schedule breaks the rule that the first one does. None of what is left can be left out."""
    found = True
    while found:
        found = False
        for simpler in _simpler(schedule):
            if simpler != schedule and fails(simpler):
                schedule, found = simpler, True
                break
    return schedule


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    """The boldest first."""
    steps = schedule.steps
    size = len(steps)
    while size:
        for start in range(0, len(steps), size):
            yield replace(schedule, steps=steps[:start] + steps[start + size :])
        size //= 2
    for name in Shape.__struct_fields__:
        yield replace(schedule, shape=replace(schedule.shape, **{name: getattr(_PLAIN, name)}))
    for index, step in enumerate(steps):
        for simpler in _simpler_steps(step):
            yield replace(schedule, steps=(*steps[:index], simpler, *steps[index + 1 :]))


def _simpler_steps(step: Step) -> Iterator[Step]:
    if step.after:
        yield replace(step, after=0.0)
    if step.which:
        yield replace(step, which=0)
    if step.amount > 1:
        yield replace(step, amount=1)
        yield replace(step, amount=step.amount // 2)
