"""TLS under the same interface as a plain connection."""

from __future__ import annotations

import ssl
from contextlib import suppress
from pathlib import Path

import trio

from transport.byte_stream import Address, ByteStream
from transport.socket_stream import SocketStream

_CLOSE_SECONDS = 1.0


class HandshakeFailed(Exception):
    """The client did not complete the TLS handshake: it spoke something else, left, or took too long."""


def server_context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    """A server's context that offers HTTP/2 and HTTP/1.1, from PEM files; without `key` it is in `certificate` too.

    Raises OSError or ssl.SSLError where the files cannot be read or do not fit each other.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def accept_tls(stream: SocketStream, context: ssl.SSLContext, seconds: float) -> TlsStream:
    """Completes the handshake within `seconds`. Raises HandshakeFailed, the connection then aborted."""
    secured = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
    reason = f"no TLS handshake within {seconds:g} s"
    with trio.move_on_after(seconds):
        try:
            await secured.do_handshake()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            reason = str(error.__cause__ or error)
        else:
            return TlsStream(secured)
    stream.abort()
    raise HandshakeFailed(reason)


class TlsStream(ByteStream):
    """A connection after its handshake. Bytes pass the TLS layer, so that nothing is written without waiting."""

    __slots__ = ("_secured", "_transport")

    def __init__(self, secured: trio.SSLStream[SocketStream]) -> None:
        super().__init__()
        self._secured = secured
        self._transport = secured.transport_stream

    @property
    def peer(self) -> Address:
        return self._transport.peer

    @property
    def local(self) -> Address:
        return self._transport.local

    @property
    def secure(self) -> bool:
        return True

    @property
    def application_protocol(self) -> str | None:
        name: str | None = self._secured.selected_alpn_protocol()
        return name

    @property
    def last_received(self) -> float:
        return self._transport.last_received

    def write_nowait(self, data: bytes | memoryview) -> int:
        return 0

    def abort(self) -> None:
        self._transport.abort()

    async def aclose(self) -> None:
        # Saying goodbye writes, and a client that stopped reading would hold it up.
        with trio.move_on_after(_CLOSE_SECONDS):
            await self._secured.aclose()
        await self._transport.aclose()

    async def linger(self, seconds: float) -> None:
        with trio.move_on_after(seconds):
            # Fails where the peer goes on sending, or closes without a word; ours has been said by then.
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                await self._secured.unwrap()
            await self._transport.linger(seconds)
        await self._transport.aclose()

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._secured.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._secured.wait_send_all_might_not_block()

    async def _receive(self, max_bytes: int) -> bytes:
        return bytes(await self._secured.receive_some(max_bytes))
