"""The data of an event stream, read as the WHATWG HTML standard says."""

from __future__ import annotations

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class SseOverflow(Exception):
    """One event is longer than the parser may hold."""


class SseParser:
    """Turns bytes, however they are split, into the data of each event; comments and other fields are skipped.

    It holds at most `limit` bytes of an unfinished event. One that the stream's end cuts short is never given.
    """

    def __init__(self, *, limit: int = 1 << 20) -> None:
        self._limit = limit
        self._line = bytearray()
        self._data: list[str] = []
        self._held = 0
        self._after_cr = False
        self._at_start = True

    def feed(self, chunk: bytes) -> list[str]:
        """The data of the events that `chunk` completes. Raises SseOverflow."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        events: list[str] = []
        *ended, rest = _LINE_END.split(chunk)
        for part in ended:
            self._hold(part)
            line = bytes(self._line)
            self._line.clear()
            self._take(line, events)
        self._hold(rest)
        return events

    def _hold(self, part: bytes) -> None:
        self._held += len(part)
        if self._held > self._limit:
            raise SseOverflow(f"an event is longer than {self._limit} bytes")
        self._line += part

    def _take(self, line: bytes, events: list[str]) -> None:
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        if not line:
            if self._data:
                events.append("\n".join(self._data))
            self._data.clear()
            self._held = 0
            return
        field, _, value = line.partition(b":")
        if field == b"data":
            self._data.append(value.removeprefix(b" ").decode("utf-8", "replace"))
        elif not field:
            self._held -= len(line)  # a comment is not kept: keep-alives may go on for hours
