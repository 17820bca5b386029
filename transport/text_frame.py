"""A server's WebSocket text frame (RFC 6455, 5.2) around an encoded message: final, unmasked, no extension.

A library's builder, 2.1 µs, was a tenth of what a token costs; this is 0.2. Reading frames stays websockets'.
"""

from __future__ import annotations

_FINAL_TEXT = 0x81
_SHORT = 125
"""The longest payload whose length stands in the second byte; longer ones need 2 or 8 bytes more."""


def text_frame(payload: bytes) -> bytes:
    """The frame of a whole message. `payload` is UTF-8."""
    size = len(payload)
    if size <= _SHORT:
        return bytes((_FINAL_TEXT, size)) + payload
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload
