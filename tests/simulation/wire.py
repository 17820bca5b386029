"""One connection of a simulated network: it delivers late and in pieces, stalls, and is cut in mid-frame."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import trio

from actors.sink import BrokenSink
from transport.byte_stream import Address, ByteStream

_LATENCY = 0.02


class Wire(ByteStream):
    """The engine's end is a ByteStream, the client's `say`, `hear` and `cut`."""

    __slots__ = ("_broken", "_buffer", "_chance", "_ended", "_news", "_said", "_sent", "_size", "_stalled")

    def __init__(self, chance: Random, buffer: int, sent: Callable[[bytes], None]) -> None:
        """`buffer`: bytes under way to a client that does not read. `sent` is told of all that the engine writes."""
        super().__init__()
        self._chance = chance
        self._size = buffer
        self._sent = sent
        self._buffer = bytearray()
        self._said = bytearray()
        self._stalled = False
        self._broken = False
        self._ended = False
        self._news = trio.Event()
        """Of everything."""

    def say(self, data: bytes) -> None:
        self._said += data
        self._notify()

    async def hear(self) -> bytes:
        """The next bytes, some time after they were written, and not always all of them; none once it is cut."""
        while not (self._broken or (self._ended and not self._buffer)):
            if self._buffer and not self._stalled:
                await trio.sleep(self._chance.random() * _LATENCY)
                if (heard := self._take()) or self._broken:
                    return heard
            else:
                await self._news.wait()
        return b""

    def stall(self) -> None:
        self._stalled = True

    def flow(self) -> None:
        self._stalled = False
        self._notify()

    def end(self) -> None:
        """The engine says no more. What was under way arrives."""
        self._ended = True
        self._notify()

    def cut(self) -> None:
        """What was under way is lost."""
        self._broken = True
        self._buffer.clear()
        self._notify()

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

    def write_nowait(self, data: bytes | memoryview, /) -> int:
        if self._broken or self._ended:
            raise BrokenSink
        taken = min(len(data), self._size - len(self._buffer))
        if taken:
            written = bytes(data[:taken])
            self._sent(written)
            self._buffer += written
            self._notify()
        return taken

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        rest = memoryview(data)
        while len(rest):
            try:
                taken = self.write_nowait(rest)
            except BrokenSink as error:
                raise trio.BrokenResourceError from error
            rest = rest[taken:]
            if not taken:
                await self._news.wait()

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    def abort(self) -> None:
        self.cut()

    async def linger(self, seconds: float) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        self.cut()
        await trio.lowlevel.checkpoint()

    async def _receive(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._said:
            if self._broken or self._ended:
                raise trio.BrokenResourceError
            await self._news.wait()
        data = bytes(self._said[:max_bytes])
        del self._said[:max_bytes]
        return data

    def _take(self) -> bytes:
        size = len(self._buffer)
        if size and self._chance.random() < 0.3:
            size = self._chance.randint(1, size)
        heard = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._notify()
        return heard

    def _notify(self) -> None:
        self._news.set()
        self._news = trio.Event()
