"""The first half of a WebSocket's opening handshake: whether an upgrade can be accepted (RFC 6455 section 4.2.1)."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus

from actors.errors import ErrorCode
from transport.head import RequestHead
from transport.http_error import error_reply

_VERSION = "13"
_KEY_BYTES = 16


def upgrade_refusal(head: RequestHead) -> bytes | None:
    """The HTTP reply to an upgrade that cannot be accepted; None for a good one."""
    if head.http_version != "1.1":
        return _bad_request("A WebSocket upgrade needs HTTP/1.1.")
    if head.header("sec-websocket-version") != _VERSION:
        return error_reply(
            HTTPStatus.UPGRADE_REQUIRED,
            ErrorCode.INVALID_PAYLOAD,
            f"Only version {_VERSION} of the WebSocket protocol is spoken here.",
            headers=(("upgrade", "websocket"), ("sec-websocket-version", _VERSION)),
        )
    if not _is_key(head.header("sec-websocket-key") or ""):
        return _bad_request("Sec-WebSocket-Key must be 16 bytes in base64.")
    if head.content_length or head.header("transfer-encoding") is not None:
        return _bad_request("A WebSocket upgrade has no body.")
    return None


def bare_upgrade(head: RequestHead) -> bytes:
    """A good upgrade with nothing in it but what the handshake needs.

    wsproto raises out of trio-websocket's reader on a `Host` that is no IDNA and on other headers that are not ASCII.
    """
    lines = (
        "GET / HTTP/1.1",
        "host: localhost",
        "upgrade: websocket",
        "connection: upgrade",
        f"sec-websocket-version: {_VERSION}",
        f"sec-websocket-key: {head.header('sec-websocket-key')}",
    )
    return "\r\n".join((*lines, "", "")).encode("ascii")


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except (binascii.Error, ValueError):
        return False


def _bad_request(message: str) -> bytes:
    return error_reply(HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_PAYLOAD, message)
