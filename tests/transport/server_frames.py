"""A server's frames taken apart, those behind a close frame too: a library would stop reading there."""

from __future__ import annotations

from collections.abc import Iterator


def server_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Opcode and payload of each of these whole, final frames, all of them short of 64 KiB."""
    while data:
        assert data[0] & 0x70 == 0
        assert data[0] & 0x80
        size, head = data[1], 2
        if size == 126:
            size, head = int.from_bytes(data[2:4], "big"), 4
        assert len(data) >= head + size
        yield data[0] & 0x0F, data[head : head + size]
        data = data[head + size :]
