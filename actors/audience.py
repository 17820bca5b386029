"""The subscribers of one topic who get the same bytes, and the loop that hands them to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from operator import length_hint

from actors.broadcast import BROKEN
from actors.outbox import Outbox
from actors.slots import Slots
from actors.subscription import Subscription

_SLICE = 256
"""Sends between two pauses of a fan-out: about a millisecond in which nobody else runs, and twice that where all of
them take a slot first."""
_MANY = 16
"""From so many in step on they are written to together, where there is a broadcast. Eight break even."""


class Audience:
    """Those who keep up are in step: all at one offset, with nothing pending in their outboxes.

    Many are written to together, by their slots, where there is a broadcast. Else the loop needs each one's `send` and
    nothing else of it, so that with thousands of them it is not bound by memory. Whoever cannot take all of an event,
    or whose outbox becomes busy by anything else, falls out of step: it has a cursor of its own then, and falls in
    again with the first event that its socket takes whole.
    """

    __slots__ = ("_apart", "_before", "_dissolved", "_in_step", "_offset", "_passed", "_slots", "_writes")

    def __init__(self) -> None:
        self._apart: dict[Subscription, None] = {}
        self._in_step: list[Subscription] = []
        self._writes: list[Callable[[bytes], int]] = []
        """The outboxes' `write_nowait`, place by place as in `_in_step`."""
        self._slots: Slots | None = None
        """Made when there are many."""
        self._passed = 0
        """So many in front stand at `_offset`; the others, whom a fan-out has yet to come to, at `_before`."""
        self._offset = 0
        self._before = 0
        self._dissolved = False

    def __len__(self) -> int:
        return len(self._in_step) + len(self._apart)

    @property
    def furthest(self) -> int:
        """The last event that any of them was sent; 0 without one."""
        # Of those in step, whom a fan-out has passed stand in front.
        return max((subscription.offset for subscription in (*self._in_step[:1], *self._apart)), default=0)

    def add(self, subscription: Subscription) -> None:
        """From its cursor on, the subscription is offered everything."""
        self._apart[subscription] = None

    def remove(self, subscription: Subscription) -> bool:
        """Whether it was here. Not one more event is offered, also by a `deliver` that has paused."""
        subscription.fall_out()
        if subscription not in self._apart:
            return False
        del self._apart[subscription]
        return True

    def is_behind(self, tail: int) -> bool:
        """Whether anybody has not been offered all there is."""
        return not self._are_at(tail) or any(subscription.offset < tail for subscription in self._apart)

    def wake_behind(self, tail: int) -> None:
        """Has everybody who is behind read on by cursor."""
        if not self._are_at(tail):
            self._fall_out_all()
        # A copy: one who is woken has all subscriptions of its outbox fall out.
        for subscription in tuple(self._apart):
            if subscription.offset < tail:
                subscription.outbox.wake(subscription)

    def dissolve(self) -> None:
        """The topic is no more: whoever is here for long must not be held by its outbox."""
        self._dissolved = True
        self._fall_out_all()

    def deliver_at_once(self, before: int, tail: int, frames: bytes) -> None:
        """As `deliver`, without a pause: for those who are few."""
        if len(self._writes) == 1 == self._passed and self._offset == before and frames and not self._apart:
            self._offset = tail
            self._write_one(frames)
            return
        for _ in self.deliver(before, tail, frames):
            pass

    def deliver(self, before: int, tail: int, frames: bytes) -> Iterator[None]:
        """Hands everybody the events after `before` up to `tail`, which `frames` encodes. The hot path.

        Pauses now and then. Meanwhile anybody may come, leave or become busy, and it may be given up: `wake_behind`
        makes that good.
        """
        if not self._are_at(before):
            self._fall_out_all()
        # What the dialect leaves out is no write, and everybody has seen it.
        self._before, self._offset, self._passed = before, tail, 0 if frames else len(self._in_step)
        while self._passed < len(self._in_step):
            self._write_slice(frames)
            yield
        apart = tuple(self._apart)
        for start in range(0, len(apart), _SLICE):
            for subscription in apart[start : start + _SLICE]:
                # Who leaves at a pause is still in this copy.
                if subscription in self._apart and subscription.outbox.offer(subscription, before, tail, frames):
                    self._fall_in(subscription)
            yield

    def offset_at(self, place: int) -> int:
        return self._offset if place < self._passed else self._before

    def fall_out(self, subscription: Subscription) -> None:
        """Only for one that is in step here. Its cursor stays where it stands."""
        place, offset = subscription.place, self.offset_at(subscription.place)
        if self._slots is not None:
            self._slots.free(place, subscription.outbox)
        # Those whom a fan-out has passed stay in front: the last of them fills the gap, and the last of all its place.
        if place < self._passed:
            self._passed -= 1
            self._move(self._passed, place)
            place = self._passed
        if place != len(self._in_step) - 1:
            self._move(len(self._in_step) - 1, place)
        self._in_step.pop()
        self._writes.pop()
        if self._slots is not None:
            self._slots.pop()
        subscription.in_step = None
        subscription.offset = offset
        subscription.outbox.fell_out(subscription)
        self._apart[subscription] = None

    def _fall_in(self, subscription: Subscription) -> None:
        if self._dissolved:
            return
        del self._apart[subscription]
        subscription.outbox.fell_in(subscription)
        subscription.in_step = self
        subscription.place = len(self._in_step)
        self._in_step.append(subscription)
        self._writes.append(subscription.outbox.write_nowait)
        if self._slots is not None:
            self._slots.append()
        self._passed += 1

    def _fall_out_all(self) -> None:
        if self._slots is not None:
            self._slots.free_all()
        while self._in_step:
            self.fall_out(self._in_step[-1])

    def _move(self, source: int, place: int) -> None:
        subscription = self._in_step[place] = self._in_step[source]
        subscription.place = place
        self._writes[place] = self._writes[source]
        if self._slots is not None:
            self._slots.move(source, place)

    def _are_at(self, offset: int) -> bool:
        return self._passed == len(self._in_step) and (self._offset == offset or not self._in_step)

    def _write_slice(self, frames: bytes) -> None:
        if len(self._in_step) < _MANY or not self._write_together(frames):
            self._write_one_by_one(frames)

    def _write_together(self, frames: bytes) -> bool:
        """False, and nothing is written, where that cannot be."""
        if self._slots is None:
            broadcast = self._in_step[0].outbox.sink.broadcast
            if broadcast is None:
                return False
            self._slots = Slots(broadcast, len(self._in_step))
        places = range(self._passed, min(self._passed + _SLICE, len(self._in_step)))
        written = self._slots.write(self._in_step, places, frames)
        if written is None:
            return False
        self._passed = places.stop
        if written:
            # Whatever comes of one: of the others' the rest must be kept as well.
            with ExitStack() as stack:
                for place, taken in zip(places, written, strict=True):
                    if taken != len(frames):
                        stack.callback(self._cut_short, self._in_step[place].outbox, frames, taken)
        return True

    def _write_one_by_one(self, frames: bytes) -> None:
        end, size = self._passed + _SLICE, len(frames)
        while writes := self._writes[self._passed : end]:
            rest, taken = iter(writes), size
            try:
                for write in rest:
                    taken = write(frames)
                    if taken != size:
                        break
            except BlockingIOError:
                taken = 0
            except OSError:
                taken = BROKEN
            finally:
                # Whatever is raised, who has been written to counts as passed. To count in the loop costs each of them.
                self._passed += len(writes) - length_hint(rest)
            if taken != size:
                self._cut_short(self._in_step[self._passed - 1].outbox, frames, taken)

    def _write_one(self, frames: bytes) -> None:
        """To the only one: a private stream's every event comes here, and a slice is more than it needs."""
        write = self._writes[0]
        try:
            taken = write(frames)
        except BlockingIOError:
            taken = 0
        except OSError:
            taken = BROKEN
        if taken != len(frames):
            self._cut_short(self._in_step[0].outbox, frames, taken)

    def _cut_short(self, outbox: Outbox, frames: bytes, taken: int) -> None:
        """By either the outbox becomes busy, and so falls out of step, also of what is left of this slice."""
        if taken == BROKEN:
            outbox.abort()
        else:
            outbox.not_taken(frames, taken)
