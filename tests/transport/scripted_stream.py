"""A stream of ours that plays chunks from memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import trio

from transport.byte_stream import Address, ByteStream


class ScriptedStream(ByteStream):
    """Returns its chunks one by one; then `b""`, an error, or, if it hangs, nothing."""

    __slots__ = ("_chunks", "_end")

    def __init__(self, chunks: Iterable[bytes], end: bytes | Exception | None = b"") -> None:
        super().__init__()
        self._chunks = [chunk for chunk in chunks if chunk]
        self._end = end

    async def _receive(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._chunks:
            chunk = self._chunks.pop(0)
            if len(chunk) > max_bytes:
                self._chunks.insert(0, chunk[max_bytes:])
            return chunk[:max_bytes]
        if isinstance(self._end, Exception):
            raise self._end
        if self._end is None:
            await trio.sleep_forever()
        return b""

    async def remainder(self) -> bytes:
        data = b""
        while more := await self.receive_some():
            data += more
        return data

    @property
    def peer(self) -> Address:
        return ("192.0.2.1", 1)

    @property
    def local(self) -> Address:
        return ("192.0.2.2", 2)

    @property
    def secure(self) -> bool:
        return False

    @property
    def application_protocol(self) -> str | None:
        return None

    @property
    def last_received(self) -> float:
        return trio.current_time()

    def write_nowait(self, data: bytes | memoryview) -> int:
        return 0

    def abort(self) -> None:
        self._end = trio.ClosedResourceError()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def linger(self, seconds: float) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self.abort()
        await trio.lowlevel.checkpoint()


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    """The data in pieces, cut at the positions that lie inside it."""
    marks = [0, *sorted({position for position in positions if 0 < position < len(data)}), len(data)]
    return [data[start:stop] for start, stop in itertools.pairwise(marks)]
