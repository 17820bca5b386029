"""The server's address, and the byte stream to it."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import msgspec
import trio

from callboard_client.errors import Unreachable

GATEWAY_PATH = "/api/v1/gateway/ws"
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Target(msgspec.Struct, frozen=True):
    """Where the gateway is. `base_url` is the server's own, for what is asked over HTTP."""

    host: str
    port: int
    tls: bool
    path: str
    base_url: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port in (80, 443) else f"{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> Target:
        """Reads `http(s)://host[:port][/prefix]`, the server's URL, or `ws(s)://…`, the gateway's own.

        Raises ValueError.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is no http://, https://, ws:// or wss:// URL")
        prefix = parts.path.rstrip("/")
        if parts.scheme in ("http", "https") or not prefix:
            path = prefix + GATEWAY_PATH
        else:
            path = parts.path
            prefix = path.removesuffix(GATEWAY_PATH)
        scheme = "https" if parts.scheme in ("https", "wss") else "http"
        query = f"?{parts.query}" if parts.query else ""
        return cls(
            parts.hostname,
            parts.port or _PORTS[parts.scheme],
            scheme == "https",
            path + query,
            f"{scheme}://{parts.netloc}{prefix}",
        )


async def open_stream(target: Target, tls: ssl.SSLContext | None, seconds: float) -> trio.abc.Stream:
    """A TCP or TLS connection. Raises Unreachable."""
    try:
        with trio.fail_after(seconds):
            if not target.tls:
                return await trio.open_tcp_stream(target.host, target.port)
            return await _open_tls(target, tls)
    except trio.TooSlowError:
        raise Unreachable(f"{target.host}:{target.port} does not answer") from None
    except OSError as error:
        raise Unreachable(f"{target.host}:{target.port}: {error}") from error


async def _open_tls(target: Target, tls: ssl.SSLContext | None) -> trio.abc.Stream:
    stream = await trio.open_ssl_over_tcp_stream(target.host, target.port, ssl_context=tls, https_compatible=True)
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        await trio.aclose_forcefully(stream)
        raise Unreachable(f"{target.host}:{target.port}: {error.__cause__ or error}") from error
    except trio.Cancelled:
        await trio.aclose_forcefully(stream)
        raise
    return stream
