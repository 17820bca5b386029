"""Linux's io_uring as far as it is needed here: system calls that are handed over in a ring, many at once.

Structures and numbers are those of <linux/io_uring.h>, the calls' numbers those of nearly every architecture: where
they are others (alpha, mips) the first call fails. No library is between: the few there are make an object for each
call, and a call for each is what this is to save.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
import weakref
from array import array
from contextlib import suppress
from ctypes import c_int32, c_long, c_uint8, c_uint16, c_uint32, c_uint64
from typing import ClassVar

OP_SEND = 26
FIXED_FILE = 1
"""Flag of an entry: `fd` is a place among the registered files."""
NO_FILE = -1

_SETUP, _ENTER, _REGISTER = 425, 426, 427
_REGISTER_FILES, _REGISTER_FILES_UPDATE = 2, 6
_GETEVENTS = 1
_SINGLE_MMAP = 1
_RINGS_AT, _ENTRIES_AT = 0, 0x10000000
_SHARED = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)  # Linux alone has that one
_WORD = 0xFFFFFFFF


class _SubmissionOffsets(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, c_uint32) for name in ("head", "tail", "ring_mask", "ring_entries", "flags", "dropped", "array")),
        ("reserved", c_uint32),
        ("user_address", c_uint64),
    ]


class _CompletionOffsets(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, c_uint32) for name in ("head", "tail", "ring_mask", "ring_entries", "overflow", "entries", "flags")),
        ("reserved", c_uint32),
        ("user_address", c_uint64),
    ]


class _Parameters(ctypes.Structure):
    _fields_: ClassVar = [
        *((name, c_uint32) for name in ("submissions", "completions", "flags", "thread_cpu", "thread_idle")),
        ("features", c_uint32),
        ("workers_fd", c_uint32),
        ("reserved", c_uint32 * 3),
        ("submission", _SubmissionOffsets),
        ("completion", _CompletionOffsets),
    ]


class Submission(ctypes.Structure):
    """What the kernel is to do."""

    _fields_: ClassVar = [
        ("opcode", c_uint8),
        ("flags", c_uint8),
        ("priority", c_uint16),
        ("fd", c_int32),
        ("offset", c_uint64),
        ("address", c_uint64),
        ("length", c_uint32),
        ("call_flags", c_uint32),
        ("user_data", c_uint64),
        ("unused", c_uint64 * 3),
    ]


class Completion(ctypes.Structure):
    """What came of it: what the system call would return, or an error number below 0."""

    _fields_: ClassVar = [("user_data", c_uint64), ("result", c_int32), ("flags", c_uint32)]


class _FilesUpdate(ctypes.Structure):
    _fields_: ClassVar = [("place", c_uint32), ("reserved", c_uint32), ("files", c_uint64)]


class IoUring:
    """One ring and a table of registered files, for one thread, and for calls that end while they are handed over.

    The entries in `submissions` stay as they are between two rounds; `fds` and `lengths` are columns of them. A round
    begins at the entry `place`.
    """

    def __init__(self, entries: int, files: int) -> None:
        """`entries`: a power of 2. `files`: places for registered files, all empty. Raises OSError where the system
        has no io_uring, or forbids it."""
        if not sys.platform.startswith("linux"):
            raise OSError(errno.ENOSYS, "io_uring is Linux's")
        parameters = _Parameters()
        self._fd = _call(_SETUP, entries, ctypes.addressof(parameters))
        weakref.finalize(self, os.close, self._fd)
        if not parameters.features & _SINGLE_MMAP:
            raise OSError(errno.ENOSYS, "the kernel's io_uring is too old")
        self.entries = entries
        self._completions = parameters.completions
        self._map_entries()
        self._map_rings(parameters.submission, parameters.completion)
        none = array("i", (NO_FILE,)) * files
        _call(_REGISTER, self._fd, _REGISTER_FILES, none.buffer_info()[0], files)

    @property
    def place(self) -> int:
        """The entry that the next round begins with. No round goes past the last entry."""
        return self._taken[0] & (self.entries - 1)

    def put_files(self, place: int, fds: array[int]) -> None:
        """Puts open files, or NO_FILE for none, at the places of the table from `place` on. Raises OSError."""
        update = _FilesUpdate(place=place, files=fds.buffer_info()[0])
        _call(_REGISTER, self._fd, _REGISTER_FILES_UPDATE, ctypes.addressof(update), len(fds))

    def submit(self, count: int) -> tuple[memoryview, memoryview]:
        """Hands over the next `count` entries. Returns what came of each, as its system call would or as an error
        number below 0, and the entry's `user_data`; both are good until the next round. They are fewer only where the
        kernel has failed: the others were not done, and will not be."""
        begin = self._taken[0]
        self._tail[0] = (begin + count) & _WORD
        try:
            with suppress(OSError):
                _call(_ENTER, self._fd, count, count, _GETEVENTS, 0, 0)
        finally:
            # Whatever is raised, by a signal's handler too: what was not taken now must not go with the next round, and
            # send its bytes. Both rings move by the same number always, so that their places stay in step.
            end = self._tail[0] = self._head[0] = self._taken[0]
        done = (end - begin) & _WORD
        first = begin & (self._completions - 1)
        return self._results[first : first + done], self._user_data[first : first + done]

    def _map_entries(self) -> None:
        size = ctypes.sizeof(Submission)
        entries = mmap.mmap(self._fd, size * self.entries, _SHARED, offset=_ENTRIES_AT)
        self.submissions = (Submission * self.entries).from_buffer(entries)
        self.fds = memoryview(entries).cast("i")[Submission.fd.offset // 4 :: size // 4]
        self.lengths = memoryview(entries).cast("I")[Submission.length.offset // 4 :: size // 4]

    def _map_rings(self, offered: _SubmissionOffsets, ended: _CompletionOffsets) -> None:
        size = ctypes.sizeof(Completion)
        end_of_order, end = offered.array + 4 * self.entries, ended.entries + size * self._completions
        rings = memoryview(mmap.mmap(self._fd, max(end_of_order, end), _SHARED, offset=_RINGS_AT))
        self._taken = rings[offered.head : offered.head + 4].cast("I")
        """Where the kernel stands among the entries handed over."""
        self._tail = rings[offered.tail : offered.tail + 4].cast("I")
        self._head = rings[ended.head : ended.head + 4].cast("I")
        self._results = rings[ended.entries : end].cast("i")[Completion.result.offset // 4 :: size // 4]
        self._user_data = rings[ended.entries : end].cast("Q")[Completion.user_data.offset // 8 :: size // 8]
        order = rings[offered.array : end_of_order].cast("I")
        for place in range(self.entries):
            order[place] = place


def _call(number: int, *arguments: int) -> int:
    result: int = _libc.syscall(number, *arguments, *_NOTHING[len(arguments) :])
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


_NOTHING = (0,) * 6
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = c_long
_libc.syscall.argtypes = [c_long] * 7
