"""The port behind which a connection's bytes leave."""

from __future__ import annotations

from typing import Protocol

from actors.broadcast import Broadcast


class BrokenSink(ConnectionError):
    """The peer is gone: nothing written from now on arrives."""


class Sink(Protocol):
    """The write end of one connection. Only its outbox writes to it, or has it written to by the broadcast."""

    @property
    def broadcast(self) -> Broadcast | None:
        """What can write to it and to many others at once; None where nothing can."""
        ...

    @property
    def fileno(self) -> int:
        """Its socket's descriptor; -1 once closed, and where it has none of its own."""
        ...

    def write_nowait(self, data: bytes | memoryview, /) -> int:
        """Hands bytes to the kernel and returns how many it took: what a non-blocking `socket.send` does, and may be.

        0 or BlockingIOError when it would block, as always where bytes must pass a TLS layer first; any other OSError,
        BrokenSink too, when the peer is gone.
        """
        ...

    async def write_all(self, data: bytes | memoryview) -> None:
        """Writes all, waiting for room. Raises BrokenSink; cancelled midway, the sink is fit only for `abort`."""
        ...

    def abort(self) -> None:
        """Closes at once, discarding what the kernel still holds. Any wait on the connection ends. Idempotent."""
        ...
