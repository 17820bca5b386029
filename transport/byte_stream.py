"""The bytes of one accepted connection, with or without TLS."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeAlias

import trio

from actors.broadcast import Broadcast
from actors.sink import BrokenSink
from transport.berth import Berth

Address: TypeAlias = tuple[str, int]
"""Host and port."""

RECEIVE_BYTES = 65_536


class ByteStream(trio.abc.Stream):
    """A trio stream that is also an outbox's `Sink`, and that takes back bytes read too far.

    `receive_some`, `send_all` and `aclose` keep to `trio.abc.Stream`: BrokenResourceError when the peer is gone,
    ClosedResourceError when this side closed.
    """

    __slots__ = ("_prefix",)

    def __init__(self) -> None:
        self._prefix = b""

    @property
    @abstractmethod
    def peer(self) -> Address:
        """Where the client connected from."""

    @property
    @abstractmethod
    def local(self) -> Address:
        """Which address of ours it reached."""

    @property
    @abstractmethod
    def secure(self) -> bool:
        """Whether the bytes pass TLS."""

    @property
    @abstractmethod
    def application_protocol(self) -> str | None:
        """What TLS agreed on: `h2`, `http/1.1`, or None where nothing was negotiated."""

    @property
    def berth(self) -> Berth | None:
        """Where whoever serves it may leave it while nothing comes; None where that takes a task."""
        return None

    @property
    def broadcast(self) -> Broadcast | None:
        """As that of a `Sink`."""
        return None

    @property
    def fileno(self) -> int:
        """As that of a `Sink`."""
        return -1

    @property
    @abstractmethod
    def last_received(self) -> float:
        """`trio.current_time()` of the last byte that came in; of the accept before the first."""

    @abstractmethod
    def write_nowait(self, data: bytes | memoryview, /) -> int:
        """As that of a `Sink`."""

    @abstractmethod
    def abort(self) -> None:
        """Resets the connection, discarding what the kernel still holds. Any wait on it ends. Idempotent."""

    @abstractmethod
    async def linger(self, seconds: float) -> None:
        """Closes so that the peer still gets what was sent: closing over unread input would reset the connection.

        Says that no more comes, and discards what the peer still sends until it closes, for at most `seconds`.
        """

    @abstractmethod
    async def _receive(self, max_bytes: int) -> bytes:
        """`receive_some` past the bytes that were taken back."""

    def _receive_nowait(self, max_bytes: int) -> bytes | None:
        """`receive_nowait` past the bytes that were taken back."""
        return None

    async def write_all(self, data: bytes | memoryview) -> None:
        """Writes all, waiting for room. Raises BrokenSink; cancelled midway, the stream is fit only for `abort`."""
        try:
            await self.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise BrokenSink(str(error)) from error

    @property
    def has_unread(self) -> bool:
        """Whether bytes that were taken back wait in front."""
        return bool(self._prefix)

    def unread(self, data: bytes) -> None:
        """Puts bytes back in front of everything that `receive_some` would return next."""
        self._prefix = data + self._prefix

    def receive_nowait(self) -> bytes | None:
        """What has come already, at most RECEIVE_BYTES; `b""` once the peer has finished sending.

        None where one would have to wait, or cannot tell. Raises what `receive_some` raises.
        """
        if not self._prefix:
            return self._receive_nowait(RECEIVE_BYTES)
        data, self._prefix = self._prefix[:RECEIVE_BYTES], self._prefix[RECEIVE_BYTES:]
        return data

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes, at most `max_bytes`; `b""` once the peer has finished sending."""
        limit = RECEIVE_BYTES if max_bytes is None else max_bytes
        if limit < 1:
            raise ValueError("max_bytes must be at least 1")
        if not self._prefix:
            return await self._receive(limit)
        await trio.lowlevel.checkpoint()
        data, self._prefix = self._prefix[:limit], self._prefix[limit:]
        return data
