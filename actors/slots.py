"""The slots of those who are in step: what a broadcast knows them by."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from actors.broadcast import NO_SLOT, Broadcast
from actors.outbox import Outbox
from actors.subscription import Subscription


class Slots:
    """Place by place as those in step stand: taken when they are first written to together, freed as they fall out.

    Of the subscriptions of one outbox only one has a slot. If the first of two writes in one call were cut short, the
    second could not be taken back, and would stand in the midst of the first.
    """

    __slots__ = ("_broadcast", "_numbers", "_outboxes")

    def __init__(self, broadcast: Broadcast, places: int) -> None:
        self._broadcast = broadcast
        self._numbers = array("i", (NO_SLOT,)) * places
        self._outboxes: set[Outbox] = set()

    def append(self) -> None:
        """One more is in step."""
        self._numbers.append(NO_SLOT)

    def move(self, source: int, place: int) -> None:
        """Who stands at `source` stands at `place` from now on; whose place that was has moved, or was freed."""
        self._numbers[place] = self._numbers[source]

    def pop(self) -> None:
        """Whose place was the last has moved, or was freed."""
        self._numbers.pop()

    def free(self, place: int, outbox: Outbox) -> None:
        """Who stands there falls out."""
        number, self._numbers[place] = self._numbers[place], NO_SLOT
        if number != NO_SLOT:
            self._outboxes.discard(outbox)
            self._broadcast.free_slots((number,))

    def free_all(self) -> None:
        """All will fall out: at once their slots cost a tenth of what they do one by one."""
        taken = [number for number in self._numbers if number != NO_SLOT]
        self._numbers = array("i", (NO_SLOT,)) * len(self._numbers)
        self._outboxes.clear()
        self._broadcast.free_slots(taken)

    def write(self, in_step: Sequence[Subscription], places: range, data: bytes) -> Sequence[int] | None:
        """Writes to those at the places as a broadcast does. None, and nothing is written, where that cannot be: `data`
        is too large for it, or not all of them can have a slot.

        Nobody is looked at who has a slot: with thousands of them that is what a write would wait for.
        """
        if len(data) > self._broadcast.largest:
            return None
        numbers = self._numbers[places.start : places.stop]
        if NO_SLOT in numbers:
            for place in places:
                if self._numbers[place] == NO_SLOT and not self._take(place, in_step[place].outbox):
                    return None
            numbers = self._numbers[places.start : places.stop]
        return self._broadcast.write(numbers, data)

    def _take(self, place: int, outbox: Outbox) -> bool:
        if outbox in self._outboxes or outbox.sink.broadcast is not self._broadcast:
            return False
        number = self._numbers[place] = self._broadcast.take_slot(outbox.sink.fileno)
        if number != NO_SLOT:
            self._outboxes.add(outbox)
        return number != NO_SLOT
