"""Everything about the listener that a configuration may set."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Bind(msgspec.Struct, frozen=True):
    """One address to listen on. Port 0 takes a free one; the empty host is every interface."""

    host: str = "127.0.0.1"
    port: int = 18080


class ListenerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Times are seconds, sizes bytes."""

    binds: tuple[Bind, ...] = (Bind(),)
    backlog: int = 1024
    max_connections: int = 10_000
    retry_after_seconds: float = 5.0
    """What a client over `max_connections` is told."""
    accept_retry_seconds: float = 0.1
    """How long accepting pauses when the process is out of file descriptors."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    """None where the certificate's file holds the key as well."""
    handshake_seconds: float = 10.0
    send_buffer_bytes: int = 65_536
    """What the kernel may hold of what a client has not read; Linux doubles it."""
    head_bytes: int = 16_384
    head_seconds: float = 10.0
    """From a request head's first byte to its last; also how long a new connection may stay silent."""
    keep_alive_seconds: float = 75.0
    """How long a connection may stay silent between two requests: longer than the usual proxy's 60."""
    body_bytes: int = 16 * 1024 * 1024
    write_seconds: float = 20.0
    """How long a client may take no bytes at all of an HTTP answer before it is cut off."""
    linger_seconds: float = 1.0
    """How long a connection stays open after its last byte, so that the client gets to read it."""
