"""The port behind which the same bytes go to many connections at once."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

NO_SLOT = -1

BROKEN = -1
"""In place of a number of bytes: the peer is gone."""


class Broadcast(Protocol):
    """Writes to many sinks in fewer system calls than one for each. All sinks of an engine share one.

    A sink is written to by its slot. Whoever takes one gives it back: as long as it is taken, the sink's socket stays
    open in the kernel, also once the sink is closed.
    """

    @property
    def largest(self) -> int:
        """How many bytes can be written at once; 0 where nothing can be any more."""
        ...

    def take_slot(self, fileno: int) -> int:
        """A slot for an open descriptor. NO_SLOT where there is none."""
        ...

    def free_slots(self, slots: Sequence[int]) -> None:
        """From now on each may be another's."""
        ...

    def write(self, slots: array[int], data: bytes) -> Sequence[int]:
        """Hands `data`, 1 to `largest` bytes, to each of the slots, no two of them of one sink. Returns how many bytes
        each took, 0 where it would block, or BROKEN; nothing at all where each took all. Never blocks."""
        ...
