"""The one port: accepts connections, within limits. Each has a task of its own, or waits where it needs none."""

from __future__ import annotations

import errno
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, Protocol, TypeAlias

import trio

from actors.broadcast import Broadcast
from actors.errors import ErrorCode
from actors.pace import Pace
from transport.berth import Berth, Guest, Work
from transport.byte_stream import Address, ByteStream
from transport.http_error import error_reply
from transport.listener_options import Bind, ListenerOptions
from transport.listener_statistics import ListenerStatistics, Tally
from transport.poller import Poller
from transport.socket_stream import SocketStream, tune
from transport.tls import HandshakeFailed, accept_tls, server_context

Serve: TypeAlias = Callable[[ByteStream], Awaitable[None]]
"""Serves one connection and closes it."""

Accept: TypeAlias = Callable[[socket.socket], tuple[socket.socket, tuple[str, int]]]
"""The system call, on a socket that does not block."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
# Errors of a connection that is gone already: accept(2) says to go on as if it had not come.
_GONE = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNRESET,
        errno.EPERM,
        errno.EPROTO,
        errno.ENETDOWN,
        errno.ENOPROTOOPT,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EOPNOTSUPP,
        errno.ENETUNREACH,
        errno.ETIMEDOUT,
    }
)
_MOST_REFUSALS = 64
_log = logging.getLogger("callboard.listener")


class Spawn(Protocol):
    """Starts one connection's task, under a supervisor that starts it once and never again."""

    def __call__(self, name: str, run: Callable[[], Awaitable[None]]) -> None: ...


class Lounge(NamedTuple):
    """Who waits for idle connections, and who receives a new one."""

    poller: Poller
    welcome: Callable[[ByteStream, Berth], Guest]


class Listener:
    """A child to be supervised. It owns the listening sockets; the connections belong to whom `spawn` asks."""

    def __init__(
        self,
        options: ListenerOptions,
        serve: Serve,
        spawn: Spawn,
        tally: Tally,
        accept: Accept = socket.socket.accept,
        lounge: Lounge | None = None,
        broadcast: Broadcast | None = None,
    ) -> None:
        """`lounge`: where connections without TLS wait while they need no task. None: each has one. `broadcast`: what
        may write to many of them at once."""
        self._options = options
        self._serve = serve
        self._spawn = spawn
        self._tally = tally
        self._accept = accept
        self._lounge = lounge
        self._broadcast = broadcast
        self._tls: ssl.SSLContext | None = None
        self._sockets: list[socket.socket] = []
        self._connections: dict[str, SocketStream] = {}
        self._refusing = 0
        self._exhausted = False

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Host and port of every listening socket; empty when not accepting."""
        return tuple(_address(sock.getsockname()) for sock in self._sockets)

    def statistics(self) -> ListenerStatistics:
        return self._tally.snapshot(len(self._connections))

    def stop_accepting(self) -> None:
        """Closes the port; open connections are not touched. `run` goes on until cancelled. Idempotent."""
        for sock in self._sockets:
            trio.lowlevel.notify_closing(sock)
            sock.close()
        self._sockets.clear()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ready once every address is bound. Raises OSError where one cannot be, ssl.SSLError on a bad certificate."""
        if self._options.tls_certificate is not None:
            self._tls = server_context(self._options.tls_certificate, self._options.tls_key)
        try:
            for bind in self._options.binds:
                self._sockets += await _listen(bind, self._options)
            async with trio.open_nursery() as nursery:
                for sock in self._sockets:
                    nursery.start_soon(self._accept_from, sock, nursery)
                task_status.started()
                await trio.sleep_forever()
        finally:
            self.stop_accepting()

    async def _accept_from(self, listening: socket.socket, refusals: trio.Nursery) -> None:
        pace = Pace()
        while listening.fileno() != -1:
            try:
                sock, address = self._accept(listening)
            except BlockingIOError:
                # In a burst the next one is there already: waiting for each would cost a round of the loop more.
                if not await _is_readable(listening):
                    return
                pace = Pace()
                continue
            except OSError as error:
                await self._after_accept_error(error)
                continue
            self._exhausted = False
            self._admit(sock, _address(address), refusals)
            if pace.is_due():
                await pace.step_aside()

    async def _after_accept_error(self, error: OSError) -> None:
        if error.errno in _EXHAUSTED:
            self._tally.accept_errors += 1
            # One line for a whole run of failures: this comes round many times a second.
            if not self._exhausted:
                _log.error("Cannot accept, trying every %g s: %s", self._options.accept_retry_seconds, error)
            self._exhausted = True
            await trio.sleep(self._options.accept_retry_seconds)
        elif error.errno not in _GONE:
            raise error
        else:
            await trio.lowlevel.checkpoint()

    def _admit(self, sock: socket.socket, peer: Address, refusals: trio.Nursery) -> None:
        stream = SocketStream(sock, peer, self._broadcast)
        if len(self._connections) >= self._options.max_connections:
            self._tally.refused += 1
            if self._tls is None and self._refusing < _MOST_REFUSALS:
                self._refusing += 1
                refusals.start_soon(self._refuse, stream)
            else:
                stream.abort()
            return
        self._tally.accepted += 1
        name = f"connection-{self._tally.accepted}"
        self._connections[name] = stream
        try:
            if not self._berthed(name, stream):
                self._spawn(name, partial(self._run_connection, name, stream, partial(self._serve_all, stream)))
        except BaseException:
            # No task has taken the connection over: it would stay open and counted for ever.
            self._release(name)
            raise

    def _berthed(self, name: str, stream: SocketStream) -> bool:
        """False where it has to have a task."""
        if self._lounge is None or self._tls is not None:
            return False
        berth = Berth(name, stream.fileno, self, self._lounge.poller)
        guest = self._lounge.welcome(stream, berth)
        if not berth.park(guest):
            guest.abandon()
            return False
        stream.lie_at(berth)
        # Mostly its request has come with it.
        berth.ready()
        return True

    def give_task(self, name: str, work: Work) -> None:
        """A connection's that was parked."""
        stream = self._connections[name]
        self._spawn(name, partial(self._run_connection, name, stream, partial(self._go_on, stream, work)))

    def failed(self, name: str, error: Exception) -> None:
        self._tally.crashed += 1
        _log.error("%s of %s:%d failed", name, *self._connections[name].peer, exc_info=error)

    def leave(self, name: str) -> None:
        stream = self._connections.pop(name, None)
        if stream is not None:
            stream.close()

    def _release(self, name: str) -> None:
        stream = self._connections.pop(name, None)
        if stream is not None:
            stream.abort()

    async def _refuse(self, stream: SocketStream) -> None:
        message = f"All {self._options.max_connections} connections are taken."
        reply = error_reply(
            HTTPStatus.SERVICE_UNAVAILABLE,
            ErrorCode.BUSY,
            message,
            retry_after=self._options.retry_after_seconds,
        )
        try:
            with trio.move_on_after(self._options.linger_seconds), suppress(trio.BrokenResourceError):
                await stream.send_all(reply)
            await stream.linger(self._options.linger_seconds)
        finally:
            self._refusing -= 1
            stream.abort()

    async def _run_connection(self, name: str, stream: SocketStream, work: Work) -> None:
        try:
            await work()
        # A connection's edge: an error in serving one client is logged, and no other client notices.
        except* Exception:  # noqa: BLE001
            self._tally.crashed += 1
            _log.exception("%s of %s:%d failed", name, *stream.peer)
        finally:
            if not stream.is_parked:
                self._release(name)

    async def _go_on(self, stream: SocketStream, work: Work) -> None:
        await work()
        if not stream.is_parked:
            await stream.linger(self._options.linger_seconds)

    async def _serve_all(self, stream: SocketStream) -> None:
        secured = stream if self._tls is None else await self._secure(stream, self._tls)
        if secured is not None:
            await self._serve(secured)

    async def _secure(self, stream: SocketStream, context: ssl.SSLContext) -> ByteStream | None:
        try:
            return await accept_tls(stream, context, self._options.handshake_seconds)
        except HandshakeFailed as error:
            self._tally.handshake_failures += 1
            _log.info("TLS handshake with %s:%d failed: %s", *stream.peer, error)
            return None


async def _listen(bind: Bind, options: ListenerOptions) -> list[socket.socket]:
    try:
        listeners = await trio.open_tcp_listeners(bind.port, host=bind.host or None, backlog=options.backlog)
    except OSError as error:
        raise OSError(f"cannot listen on {bind.host or '*'}:{bind.port}: {error.strerror or error}") from error
    sockets = [socket.socket(fileno=listener.socket.detach()) for listener in listeners]
    for sock in sockets:
        tune(sock, options.send_buffer_bytes)
    return sockets


async def _is_readable(listening: socket.socket) -> bool:
    """Returns once something can be accepted, or with False when the socket is closed."""
    try:
        await trio.lowlevel.wait_readable(listening)
    except trio.ClosedResourceError:
        return False
    return True


def _address(name: tuple[str, int]) -> Address:
    # An IPv6 address has four parts.
    host, port = name[:2]
    return host, port
