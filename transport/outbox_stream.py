"""The stream that trio-websocket is given: it reads the socket, and writes through the connection's outbox."""

from __future__ import annotations

import trio

from actors.outbox import Outbox
from actors.sink import BrokenSink
from transport.byte_stream import ByteStream

_CLOSE_FRAME = 0x88
"""The first byte of a close frame, which is never fragmented (RFC 6455 section 5.5)."""


class OutboxStream(trio.abc.Stream):
    """Every write is one or more whole frames, and joins the outbox as one piece: frames never interleave.

    Closing it does not close the socket, which belongs to the connection's edge; it only ends the use of it here.
    """

    def __init__(self, stream: ByteStream, outbox: Outbox, head: bytes, drain_seconds: float) -> None:
        """`head` is read first, and the socket only once that was answered: trio-websocket loses what it reads of the
        frames that a client sends right behind its upgrade."""
        self._stream = stream
        self._outbox = outbox
        self._head = head
        self._drain_seconds = drain_seconds
        self._answered = trio.Event()
        self._closed = False
        self._reading: trio.CancelScope | None = None
        self.close_sent = False
        """Whether a close frame has passed."""

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if self._closed:
            raise trio.ClosedResourceError
        with trio.CancelScope() as self._reading:
            if self._head:
                await trio.lowlevel.checkpoint()
                head, self._head = self._head, b""
                return head
            await self._answered.wait()
            return await self._stream.receive_some(max_bytes)
        raise trio.ClosedResourceError

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        self._answered.set()
        self.close_sent = self.close_sent or data[:1] == bytes((_CLOSE_FRAME,))
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
        await trio.lowlevel.checkpoint()
