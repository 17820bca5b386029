"""The collector is tuned for long-lived objects, and still collects."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from engine import garbage


@pytest.fixture
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Ring:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("restored")
def test_what_the_start_made_is_left_alone_and_later_cycles_are_collected() -> None:
    frozen = gc.get_freeze_count()
    garbage.settle()
    assert gc.get_freeze_count() > frozen
    assert gc.isenabled()
    later = weakref.ref(Ring())
    kept = [[] for _ in range(gc.get_threshold()[0] + 1)]  # type: list[list[int]]
    assert later() is None
    assert len(kept) > 0
