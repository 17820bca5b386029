"""A broadcast over io_uring: one system call sends the same bytes to hundreds of sockets."""

from __future__ import annotations

import ctypes
import errno
import logging
import mmap
import resource
import socket
from array import array
from collections.abc import Iterator, Sequence

from actors.broadcast import BROKEN, NO_SLOT, Broadcast
from transport.io_uring import FIXED_FILE, NO_FILE, OP_SEND, IoUring

_ENTRIES = 512
_LARGEST = 256 * 1024
_WOULD_BLOCK = frozenset({-errno.EAGAIN, -errno.EWOULDBLOCK})
_log = logging.getLogger("callboard.send_ring")


def open_send_ring(slots: int) -> Broadcast | None:
    """A SendRing; None where the system has no io_uring for us, which the log says."""
    try:
        return SendRing(slots)
    except OSError as error:
        _log.info("no io_uring, so that each client of a large audience costs a system call: %s", error)
        return None


class SendRing:
    """A `Broadcast`. A slot is a registered file: what is sent by one reaches the socket that took it, or nobody.

    Descriptors would not do: once closed, a number is the next connection's.
    """

    def __init__(self, slots: int) -> None:
        """Raises OSError where the system has no io_uring, forbids it, or it does not send."""
        # The kernel takes no larger table than a process may have files.
        self._slots = min(slots, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._ring = IoUring(_ENTRIES, self._slots)
        self._used = 0
        self._free: list[int] = []
        """Of those that were used."""
        self._staged = mmap.mmap(-1, _LARGEST)
        """What is sent is copied here: its address stands in the entries for good."""
        self._length = 0
        self._all_taken = b""
        self._largest = _LARGEST
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._staged))
        for number, entry in enumerate(self._ring.submissions):
            entry.opcode, entry.flags, entry.address = OP_SEND, FIXED_FILE, address
            entry.call_flags = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT
            entry.user_data = number
        self._try()

    @property
    def largest(self) -> int:
        return self._largest

    def take_slot(self, fileno: int) -> int:
        if fileno < 0 or (not self._free and self._used == self._slots):
            return NO_SLOT
        if not self._free:
            self._free.append(self._used)
            self._used += 1
        slot = self._free.pop()
        try:
            self._ring.put_files(slot, array("i", (fileno,)))
        except OSError:
            self._free.append(slot)
            return NO_SLOT
        return slot

    def free_slots(self, slots: Sequence[int]) -> None:
        for run in _runs(sorted(slots)):
            try:
                self._ring.put_files(run.start, array("i", (NO_FILE,)) * len(run))
            except OSError as error:
                _log.error("io_uring keeps sockets: %s", error)
            else:
                self._free += run

    def write(self, slots: array[int], data: bytes) -> Sequence[int]:
        self._stage(data)
        taken: list[int] = []
        done = 0
        with memoryview(slots) as numbers:
            while done < len(numbers):
                place = self._ring.place
                part = numbers[done : done + self._ring.entries - place]
                self._ring.fds[place : place + len(part)] = part
                results, entries = self._ring.submit(len(part))
                if taken or results.tobytes() != self._all_taken[: results.itemsize * len(part)]:
                    taken += [len(data)] * (done - len(taken))
                    taken += self._each(place, len(part), results, entries)
                done += len(part)
        return taken

    def _each(self, place: int, count: int, results: memoryview, entries: memoryview) -> list[int]:
        """What each of `count` entries from `place` on took: they may have ended in another order."""
        if len(results) < count and self._largest:
            self._largest = 0
            _log.error("io_uring has failed: from now on each socket is written to by itself")
        taken = [0] * count
        for result, entry in zip(results, entries, strict=True):
            taken[entry - place] = result if result >= 0 else 0 if result in _WOULD_BLOCK else BROKEN
        return taken

    def _stage(self, data: bytes) -> None:
        size = len(data)
        self._staged[:size] = data
        if size != self._length:
            self._length = size
            every = array("I", (size,)) * self._ring.entries
            self._all_taken = every.tobytes()
            with memoryview(every) as lengths:
                self._ring.lengths[:] = lengths

    def _try(self) -> None:
        """A system may have the calls, and forbid one."""
        near, far = socket.socketpair()
        with near, far:
            slot = self.take_slot(near.fileno())
            if slot == NO_SLOT or self.write(array("i", (slot,)), b"?") or far.recv(2) != b"?":
                raise OSError(errno.ENOTSUP, "io_uring does not send")
            self.free_slots((slot,))


def _runs(numbers: Sequence[int]) -> Iterator[range]:
    """The numbers, which ascend, as few ranges."""
    start = 0
    for end in range(1, len(numbers) + 1):
        if end == len(numbers) or numbers[end] != numbers[end - 1] + 1:
            yield range(numbers[start], numbers[end - 1] + 1)
            start = end
