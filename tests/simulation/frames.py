"""Takes a server's bytes apart, however they are cut: what is not whole yet waits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from wsproto.frame_protocol import Opcode

_HEAD_END = b"\r\n\r\n"


class Parts(Protocol):
    def feed(self, data: bytes) -> Iterator[bytes]:
        """JSON texts."""
        ...


class Frames:
    """Those of a WebSocket, without the upgrade."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        while (end := self._end()) is not None:
            start, stop = end
            text = bytes(self._data[start:stop])
            is_text = self._data[0] & 0x0F == Opcode.TEXT
            del self._data[:stop]
            if is_text:
                yield text

    def _end(self) -> tuple[int, int] | None:
        data = self._data
        if len(data) < 2:
            return None
        long = {126: 2, 127: 8}.get(data[1], 0)
        size = int.from_bytes(data[2 : 2 + long], "big") if long else data[1]
        stop = 2 + long + size
        return (2 + long, stop) if len(data) >= stop else None


class Blocks:
    """The data of an event stream's blocks, each of which comes as one chunk. Of a refusal there is none."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._has_begun = False
        self._is_refused = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        if not self._has_begun:
            head, end, rest = self._data.partition(_HEAD_END)
            if not end:
                return
            self._has_begun, self._is_refused = True, not head.startswith(b"HTTP/1.1 200")
            self._data = rest
        while not self._is_refused and (chunk := self._next_chunk()) is not None:
            for line in chunk.split(b"\n"):
                if line.startswith(b"data: "):
                    yield line.removeprefix(b"data: ")

    def _next_chunk(self) -> bytes | None:
        size, end, _ = self._data.partition(b"\r\n")
        start = len(size) + len(end)
        stop = start + int(size, 16) if end else 0
        if not end or len(self._data) < stop + 2:
            return None
        chunk = bytes(self._data[start:stop])
        del self._data[: stop + 2]
        return chunk
