"""One accepted socket as a stream, and as the sink that an outbox writes to without waiting."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import NoReturn, TypeVar

import trio

from actors.broadcast import Broadcast
from transport.berth import Berth
from transport.byte_stream import RECEIVE_BYTES, Address, ByteStream

_T = TypeVar("_T")
_LINGER_BYTES = 4 * 1024 * 1024
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class SocketStream(ByteStream, trio.abc.HalfCloseableStream):
    """Takes over a connected stdlib socket, tuned as `tune` does it.

    It holds the plain socket, not trio's wrapper around one: that is one object less per connection, and the
    direct write is the socket's own method, with no line of Python around it.
    """

    __slots__ = (
        "_berth",
        "_broadcast",
        "_finished",
        "_heard_all",
        "_last_received",
        "_peer",
        "_sending",
        "_sock",
        "write_nowait",
    )

    write_nowait: Callable[[bytes | memoryview], int]

    def __init__(self, sock: socket.socket, peer: Address, broadcast: Broadcast | None = None) -> None:
        super().__init__()
        self._broadcast = broadcast
        sock.setblocking(False)
        self._sock = sock
        # Python ignores SIGPIPE, so that a plain send has the semantics of MSG_NOSIGNAL.
        self.write_nowait = sock.send
        self._peer = peer
        self._berth: Berth | None = None
        self._last_received = trio.current_time()
        self._sending = False
        self._finished = False
        self._heard_all = False
        """The peer has finished sending."""

    @property
    def peer(self) -> Address:
        return self._peer

    @property
    def local(self) -> Address:
        """Which address of ours the client reached. Raises ClosedResourceError on a closed stream."""
        try:
            host, port = self._sock.getsockname()[:2]
        except OSError as error:
            _raise_stream_error(error)
        return host, port

    @property
    def secure(self) -> bool:
        return False

    @property
    def application_protocol(self) -> str | None:
        return None

    @property
    def berth(self) -> Berth | None:
        return self._berth

    @property
    def is_parked(self) -> bool:
        """Whether it waits on its berth: no task serves it, and it is open."""
        return self._berth is not None and self._berth.parked

    @property
    def broadcast(self) -> Broadcast | None:
        return self._broadcast

    @property
    def fileno(self) -> int:
        return self._sock.fileno()

    def lie_at(self, berth: Berth) -> None:
        """From now on it may wait there."""
        self._berth = berth

    @property
    def last_received(self) -> float:
        return self._last_received

    def abort(self) -> None:
        if self._sock.fileno() == -1:
            return
        with suppress(OSError):
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._close()

    def close(self) -> None:
        """As `aclose`, without a checkpoint."""
        if self._sock.fileno() != -1:
            self._close()

    async def aclose(self) -> None:
        self.close()
        await trio.lowlevel.checkpoint()

    async def linger(self, seconds: float) -> None:
        if self._heard_all:
            # There is no unread input that closing could answer with a reset.
            await self.aclose()
            return
        with trio.move_on_after(seconds), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self.send_eof()
            discarded = 0
            while discarded < _LINGER_BYTES and (data := await self._receive(RECEIVE_BYTES)):
                discarded += len(data)
        await self.aclose()

    def _close(self) -> None:
        if self._berth is not None:
            self._berth.leave()
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
        if self._berth is not None:
            self._berth.wake()

    async def _receive(self, max_bytes: int) -> bytes:
        # As `_when_ready`, in place: each call in here is held for as long as its client is silent.
        # To wait first after a read that was short saves a connection one call, and costs a busy client 18 %: after the
        # checkpoint that follows each answer its next request is mostly there.
        await trio.lowlevel.checkpoint_if_cancelled()
        waited = False
        while (data := self._receive_nowait(max_bytes)) is None:
            await trio.lowlevel.wait_readable(self._sock)
            waited = True
        if not waited:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return data

    def _receive_nowait(self, max_bytes: int) -> bytes | None:
        try:
            data = self._sock.recv(max_bytes)
        except BlockingIOError:
            return None
        except OSError as error:
            _raise_stream_error(error)
        if data:
            self._last_received = trio.current_time()
        else:
            self._heard_all = True
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._begin_send()
        try:
            with memoryview(data) as view:
                done = 0
                while True:
                    with view[done:] as rest:
                        sent = await self._when_ready(partial(self.write_nowait, rest), trio.lowlevel.wait_writable)
                    done += sent
                    if done == len(view):
                        return
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        self._begin_send()
        try:
            await trio.lowlevel.wait_writable(self._sock)
        finally:
            self._sending = False

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._finished:
            return
        self._begin_send()
        self._sending = False
        self._finished = True
        try:
            self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            _raise_stream_error(error)

    def _begin_send(self) -> None:
        # Closed goes first: a sender whose stream was aborted has yet to notice.
        if self._finished or self._sock.fileno() == -1:
            raise trio.ClosedResourceError("this side has finished sending")
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True

    async def _when_ready(self, attempt: Callable[[], _T], wait: Callable[[socket.socket], Awaitable[None]]) -> _T:
        """Runs a non-blocking system call until it no longer would block. Always a checkpoint."""
        await trio.lowlevel.checkpoint_if_cancelled()
        waited = False
        while True:
            try:
                result = attempt()
            except BlockingIOError:
                await wait(self._sock)
                waited = True
            except OSError as error:
                _raise_stream_error(error)
            else:
                break
        if not waited:
            await trio.lowlevel.cancel_shielded_checkpoint()
        return result


def tune(listening: socket.socket, send_buffer_bytes: int) -> None:
    """Sets what the connections accepted from now on inherit: two system calls less for each of them."""
    # Left alone the kernel grows it to megabytes, and a reader that stalled looks like one that keeps up.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _raise_stream_error(error: OSError) -> NoReturn:
    if error.errno == errno.EBADF:
        raise trio.ClosedResourceError("this stream was already closed") from None
    raise trio.BrokenResourceError(f"the connection broke: {error}") from error
