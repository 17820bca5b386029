"""Broadcasts without io_uring: one to sinks in memory, and one that sends to each socket in turn."""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Iterable, Sequence

from actors.broadcast import BROKEN, NO_SLOT
from actors.sink import BrokenSink
from tests.support.world import MemorySink


class MemoryBroadcast:
    """Of these sinks, for so many slots. It looks that it is used as it is to be."""

    def __init__(self, sinks: Iterable[MemorySink], slots: int = 1000) -> None:
        self._sinks = tuple(sinks)
        for fileno, sink in enumerate(self._sinks):
            sink.broadcast, sink.fileno = self, fileno
        self._free = list(range(slots))
        self.largest = 1 << 20
        self.taken: dict[int, MemorySink] = {}
        self.calls = 0

    def take_slot(self, fileno: int) -> int:
        assert fileno >= 0
        if not self._free:
            return NO_SLOT
        slot = self._free.pop()
        self.taken[slot] = self._sinks[fileno]
        return slot

    def free_slots(self, slots: Sequence[int]) -> None:
        for slot in slots:
            del self.taken[slot]
            self._free.append(slot)

    def write(self, slots: array[int], data: bytes) -> Sequence[int]:
        sinks = [self.taken[slot] for slot in slots]
        assert len(set(map(id, sinks))) == len(sinks) > 0, "two slots of one sink: one could cut into the other"
        assert 0 < len(data) <= self.largest
        self.calls += 1
        written = [_taken_by(sink, data) for sink in sinks]
        return written if any(each != len(data) for each in written) else ()


def _taken_by(sink: MemorySink, data: bytes) -> int:
    try:
        return sink.write_nowait(data)
    except BrokenSink:
        return BROKEN


class SendLoop:
    """What io_uring is to do in one call, a call for each: it holds a descriptor of its own for each slot."""

    largest = 1 << 20

    def __init__(self, slots: int) -> None:
        self._slots: list[socket.socket | None] = [None] * slots

    def take_slot(self, fileno: int) -> int:
        if fileno < 0 or None not in self._slots:
            return NO_SLOT
        slot = self._slots.index(None)
        try:
            self._slots[slot] = socket.socket(fileno=os.dup(fileno))
        except OSError:
            return NO_SLOT
        return slot

    def free_slots(self, slots: Sequence[int]) -> None:
        for slot in slots:
            held = self._slots[slot]
            assert held is not None
            held.close()
            self._slots[slot] = None

    def write(self, slots: array[int], data: bytes) -> Sequence[int]:
        written = [self._send(slot, data) for slot in slots]
        return written if any(each != len(data) for each in written) else ()

    def _send(self, slot: int, data: bytes) -> int:
        held = self._slots[slot]
        try:
            return BROKEN if held is None else held.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        except OSError:
            return BROKEN
