"""The WebSocket's opening handshake on a byte stream, and what a server's refusals and close codes mean."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

import h11
import msgspec
import trio
from trio_websocket import (
    CloseReason,
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)
from wsproto.utilities import ProtocolError

from callboard_client.errors import (
    AuthenticationFailed,
    ClientError,
    ConnectionLost,
    NotUnderstood,
    Replaced,
    Stopped,
    Unreachable,
)
from callboard_client.target import Target

MAXIMUM_FRAME_BYTES = 64 << 20

CONNECTION_ERRORS = (ClientError, HandshakeError, ConnectionClosed, ProtocolError, h11.ProtocolError)
"""What a connection may end with: ours, trio-websocket's, and what its reader lets through of wsproto and h11."""

_LATER_STATUS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_LATER_CODES = {1012: 1.0, 1013: 2.0}
"""Restarting, and full: the seconds that such a server is left alone at least."""
_NOT_UNDERSTOOD_CODES = {1002, 1003, 1007, 1009, 1010}
_REPLACED = 4409
_UNAUTHORIZED = 4401


class WatchedStream(trio.abc.Stream):
    """A stream that counts as broken when nothing has come for `silence` seconds of reading.

    Ends the `opening` scope with the stream: trio-websocket waits for ever on one that ends in mid-handshake.
    """

    def __init__(self, stream: trio.abc.Stream, silence: float) -> None:
        self.opening = trio.CancelScope()
        self._stream = stream
        self._silence = silence

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            self.opening.cancel()
            raise

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        with trio.move_on_after(self._silence):
            data = await self._receive(max_bytes)
            if not data:
                self.opening.cancel()
            return data
        raise trio.BrokenResourceError("the server is silent")

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _receive(self, max_bytes: int | None) -> bytes | bytearray:
        try:
            return await self._stream.receive_some(max_bytes)
        except trio.BrokenResourceError:
            self.opening.cancel()
            raise


async def shake_hands(
    nursery: trio.Nursery, stream: WatchedStream, target: Target, seconds: float
) -> WebSocketConnection:
    """Opens the WebSocket; its reader runs in `nursery`, and raises ConnectionRejected there. Raises Unreachable."""
    socket: WebSocketConnection | None = None
    stream.opening.deadline = trio.current_time() + seconds
    with stream.opening:
        socket = await wrap_client_stream(
            nursery,
            cast("trio.SocketStream", stream),  # the annotation is narrower than what is taken: any stream is
            target.host_header,
            target.path,
            max_message_size=MAXIMUM_FRAME_BYTES,
            receive_buffer_size=65_536,
        )
    if socket is None:
        timed_out = trio.current_time() >= stream.opening.deadline
        raise Unreachable("the server does not answer" if timed_out else "the server has hung up in the handshake")
    return socket


def told_apart(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a connection's nursery has ended with, as one error of ours, or the group of what is nobody's to catch."""
    known, others = group.split(CONNECTION_ERRORS)
    if others is not None or known is None:
        return group if others is None else others
    errors = [_ours(error) for error in _leaves(known)]
    return next((error for error in errors if isinstance(error, Stopped)), errors[0])


def ending(reason: CloseReason | None) -> ClientError:
    """What the end of a connection means for whoever asks whether to come back."""
    code, text = (1006, None) if reason is None else (reason.code, reason.reason)
    if code == _UNAUTHORIZED:
        return AuthenticationFailed(text or "the server wants a credential")
    if code == _REPLACED:
        return Replaced(text or "this device has connected again")
    if code in _NOT_UNDERSTOOD_CODES:
        return NotUnderstood(f"closed with {code}: {text or 'no reason given'}")
    said = f"closed with {code}" + (f": {text}" if text else "")
    return ConnectionLost("the connection broke" if code in (1005, 1006) else said, least=_LATER_CODES.get(code, 0.0))


def _ours(error: BaseException) -> ClientError:
    match error:
        case ClientError():
            return error
        case ConnectionClosed():
            return ending(error.reason)
        case ConnectionRejected():
            return _rejected(error)
        case h11.ProtocolError():
            # Its text is about a refusal that trio-websocket has tried to send in return, as only a server may.
            return Unreachable("the server's answer is no WebSocket handshake")
        case _:
            return ConnectionLost(str(error) or type(error).__name__)


def _rejected(error: ConnectionRejected) -> ClientError:
    message = f"HTTP {error.status_code} instead of a WebSocket{_detail(error.body)}"
    if error.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or error.status_code in _LATER_STATUS:
        return Unreachable(message, least=_retry_after(error.headers))
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        return AuthenticationFailed(message)
    return NotUnderstood(message)


def _retry_after(headers: tuple[tuple[bytes, bytes], ...]) -> float:
    """The header's seconds, at most ten minutes; its other form, a date, is left to the back-off."""
    given = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    return min(float(given), 600.0) if given.isdigit() else 0.0


def _detail(body: bytes | None) -> str:
    try:
        said: Any = msgspec.json.decode(body or b"null")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    return f": {error['message']}" if isinstance(error, dict) and "message" in error else ""


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
