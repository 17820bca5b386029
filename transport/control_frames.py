"""A server's control frames (RFC 6455 section 5.5)."""

from __future__ import annotations

from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.typing import BytesLike

CONTROL_BYTES = 125
"""The longest payload of a control frame, and of any frame whose second byte is its length."""
_REASON_BYTES = CONTROL_BYTES - 2
_NEVER_SENT = (CloseCode.ABNORMAL_CLOSURE, CloseCode.TLS_HANDSHAKE)
"""They say what became of a connection that ended without a close frame."""

PING = Frame(Opcode.PING, b"").serialize(mask=False)


def pong(payload: BytesLike) -> bytes:
    """The answer to a ping with this payload."""
    return Frame(Opcode.PONG, payload).serialize(mask=False)


def close_frame(code: int, reason: str) -> bytes:
    """1005 stands for no code, and so for no reason. A reason too long is cut at a character."""
    payload = b""
    if code != CloseCode.NO_STATUS_RCVD:
        sent = CloseCode.NORMAL_CLOSURE if code in _NEVER_SENT else code
        payload = Close(sent, reason.encode()[:_REASON_BYTES].decode(errors="ignore")).serialize()
    return Frame(Opcode.CLOSE, payload).serialize(mask=False)
