"""The stream that trio-websocket is given: it reads the socket, and writes through the connection's outbox."""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.outbox import Outbox
from actors.sink import BrokenSink
from transport.byte_stream import ByteStream


class OutboxStream(trio.abc.Stream):
    """Every write is one or more whole frames, and joins the outbox as one piece: frames never interleave.

    Closing it does not close the socket, which belongs to the connection's edge; it only ends the use of it here.
    """

    def __init__(self, stream: ByteStream, outbox: Outbox, drain_seconds: float, *, closed: Callable[[], None]) -> None:
        """`closed` is called once trio-websocket has closed this stream."""
        self._stream = stream
        self._outbox = outbox
        self._drain_seconds = drain_seconds
        self._closed = False
        self._on_closed = closed
        self._reading: trio.CancelScope | None = None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError
        with trio.CancelScope() as self._reading:
            return await self._stream.receive_some(max_bytes)
        raise trio.ClosedResourceError

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        try:
            await self._outbox.put(bytes(data))
        except BrokenSink as error:
            raise trio.BrokenResourceError from error

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Lets what was written leave, within the deadline, and wakes a reader."""
        self._closed = True
        with trio.move_on_after(self._drain_seconds):
            await self._outbox.drain()
        if self._reading is not None:
            self._reading.cancel()
        self._on_closed()
        await trio.lowlevel.checkpoint()
