"""The server's side of a WebSocket on a stream from memory that keeps what is written."""

from __future__ import annotations

from actors.outbox import Outbox, OutboxOptions
from actors.rate import TokenBucket
from actors.sink import BrokenSink
from tests.transport.scripted_stream import ScriptedStream
from transport.websocket import WebSocket

PONG_HELLO = b"\x8a\x05hello"


class Recording(ScriptedStream):
    """Takes all that is written, at once, and keeps it, until it is aborted."""

    __slots__ = ("aborted", "writes")

    def __init__(self, *chunks: bytes, end: bytes | Exception | None = b"") -> None:
        super().__init__(chunks, end)
        self.writes: list[bytes] = []
        self.aborted = False

    @property
    def written(self) -> bytes:
        return b"".join(self.writes)

    def write_nowait(self, data: bytes | memoryview) -> int:
        if self.aborted:
            raise BrokenSink
        self.writes.append(bytes(data))
        return len(data)

    def abort(self) -> None:
        self.aborted = True
        super().abort()


def no_writer(run: object) -> None:
    raise AssertionError("nothing waits, so nothing needs a writer")


def open_on(
    stream: Recording, message_bytes: int = 1000, spare: TokenBucket | None = None, *, binary: bool = False
) -> WebSocket:
    """With an outbox that never waits and, unless `spare` is given, room for any number of frames that do nothing."""
    outbox = Outbox(stream, no_writer, OutboxOptions())
    return WebSocket(stream, outbox, message_bytes, spare or TokenBucket(1e9, 1e9, 0.0), binary=binary)
