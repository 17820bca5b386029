"""A WebSocket's opening handshake: whether an upgrade can be accepted, and the answer (RFC 6455 section 4.2)."""

from __future__ import annotations

import re
from http import HTTPStatus

from websockets.utils import accept_key

from actors.errors import ErrorCode
from transport.head import RequestHead
from transport.http_error import error_reply

_VERSION = "13"
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")
"""16 bytes in base64."""
_ANSWER = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: "


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
    if _KEY.fullmatch(head.header("sec-websocket-key") or "") is None:
        return _bad_request("Sec-WebSocket-Key must be 16 bytes in base64.")
    if head.content_length or head.header("transfer-encoding") is not None:
        return _bad_request("A WebSocket upgrade has no body.")
    return None


def switching_protocols(head: RequestHead) -> bytes:
    """The answer to a good upgrade. Neither a subprotocol nor an extension is chosen."""
    key = head.header("sec-websocket-key") or ""
    return b"%b%b\r\n\r\n" % (_ANSWER, accept_key(key).encode())


def _bad_request(message: str) -> bytes:
    return error_reply(HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_PAYLOAD, message)
