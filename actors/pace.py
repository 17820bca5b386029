"""Where a long walk steps aside, so that nobody waits for the whole of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TypeVar

import trio

_T = TypeVar("_T")

_SLICE_SECONDS = 0.0005
"""Others wait this long at most for a walk, and a step more: an item is handled in one piece."""


class Pace:
    """For a walk over very much: after each item, `if pace.is_due(): await pace.step_aside()`.

    Meanwhile anything may come or go: what is walked over must be a copy, and each item looked at as it is by then.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        """`clock` counts the seconds that the walk takes of everybody's time, which trio's clock in a test does not."""
        self._clock = clock
        self._end = clock() + _SLICE_SECONDS

    def is_due(self) -> bool:
        return self._clock() >= self._end

    async def step_aside(self, *, cancellable: bool = True) -> None:
        """Lets everybody else run who can. Not `cancellable`, for a walk that must not be left half done."""
        if cancellable:
            await trio.lowlevel.checkpoint()
        else:
            await trio.lowlevel.cancel_shielded_checkpoint()
        self._end = self._clock() + _SLICE_SECONDS


def walk(items: Iterable[_T], step: Callable[[_T], None]) -> Awaitable[None] | None:
    """Takes the step with each item: at once where that is soon done; else with some of them, and what is returned goes
    on in slices. It is to be awaited. An item that is long in coming may be another than it was: `step` looks."""
    pace, rest = Pace(), iter(items)
    for item in rest:
        step(item)
        if pace.is_due():
            return _walk_on(rest, step, pace)
    return None


async def _walk_on(rest: Iterator[_T], step: Callable[[_T], None], pace: Pace) -> None:
    await pace.step_aside()
    for item in rest:
        step(item)
        if pace.is_due():
            await pace.step_aside()
