"""The bytes of one HTTP/1.1 request, body included, and not one of the next."""

from __future__ import annotations

import h11
import trio

from transport.byte_stream import ByteStream
from transport.head import RequestHead


class RequestBytes:
    """What an HTTP server reads that must not see past one request.

    Pipelined bytes stay on the stream. A body whose framing is broken has no end: everything is passed on, and the
    server behind finds the same mistake.
    """

    def __init__(self, stream: ByteStream, head: RequestHead) -> None:
        self._stream = stream
        self._head = head.raw
        self._framing = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head.raw))
        self._complete = False
        self._observe(head.raw)

    async def receive(self) -> bytes:
        """The next bytes of the request; once all were returned, waits until the client leaves. `b""` then."""
        if self._head:
            await trio.lowlevel.checkpoint()
            data, self._head = self._head, b""
            return data
        if self._complete:
            await self._wait_for_end()
            return b""
        data = await self._stream.receive_some()
        own = self._observe(data)
        if own < len(data):
            self._stream.unread(data[own:])
        return data[:own]

    def _observe(self, data: bytes) -> int:
        """How many bytes of the next chunk belong to the request."""
        if not data:
            return 0
        try:
            self._framing.receive_data(data)
            while (event := self._framing.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.EndOfMessage):
                    self._complete = True
                    return len(data) - len(self._framing.trailing_data[0])
        except h11.RemoteProtocolError:
            pass
        return len(data)

    async def _wait_for_end(self) -> None:
        # With a pipelined request waiting there is nowhere to put more: a leave shows when the answer is written.
        while not self._stream.has_unread:
            data = await self._stream.receive_some()
            if not data:
                return
            self._stream.unread(data)
        await trio.sleep_forever()
