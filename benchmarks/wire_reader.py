"""One client that reads until an event has come, and counts what it was sent: an event stream, or a WebSocket."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType
from typing import Self

import msgspec

_SECONDS = 30.0
"""How long the server may be silent."""
_PIECE = 1 << 18


class Joined(msgspec.Struct, frozen=True):
    """`bytes` behind the head of the answer; `events` in them; `seconds` from the request on."""

    bytes: int
    events: int
    seconds: float


def read_stream(port: int, path: str, last: bytes, opened: threading.Event | None = None) -> Joined:
    """Asks for an event stream and reads up to the event that holds `last`. `opened` is set once the stream has begun.

    Raises OSError, and RuntimeError where the stream ends before."""
    with _Client(port, path, "Accept: text/event-stream") as client:
        return client.read(b"event: subscribed\n", b"\nid: ", last, opened)


def read_socket(port: int, path: str, payload: object, last: bytes, opened: threading.Event | None = None) -> Joined:
    """As `read_stream`, on a WebSocket of the gateway that subscribes with this payload."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    with _Client(port, path, *upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==") as client:
        client.send(msgspec.json.encode({"id": "s", "type": "subscribe", "payload": payload}))
        return client.read(b'"type":"subscribed"', b'{"type":"event"', last, opened)


class _Client:
    """What it receives is held until the end: to look for what it waits for, and to count."""

    def __init__(self, port: int, path: str, *headers: str) -> None:
        self._began = time.monotonic()
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_SECONDS)
        self._received = bytearray()
        head = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers, "", "")
        self._socket.sendall("\r\n".join(head).encode())
        begun = self._expect(b"\r\n\r\n")
        if bytes(self._received).split(maxsplit=2)[1] not in (b"101", b"200"):
            raise RuntimeError(f"the server answered {self._received.decode(errors='replace')}")
        del self._received[:begun]

    def send(self, text: bytes) -> None:
        """One frame, with a mask that changes nothing of it."""
        size = len(text)
        length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
        self._socket.sendall(b"\x81" + length + bytes(4) + text)

    def read(self, greeting: bytes, event: bytes, last: bytes, opened: threading.Event | None) -> Joined:
        begun = self._expect(greeting)
        if opened is not None:
            opened.set()
        self._expect(last, begun)
        seconds = time.monotonic() - self._began
        return Joined(len(self._received), self._received.count(event, begun), seconds)

    def _expect(self, text: bytes, start: int = 0) -> int:
        """Reads until this has come behind `start`; returns where it ends."""
        while (found := self._received.find(text, start)) < 0:
            # It may be parted between two pieces.
            start = max(start, len(self._received) - len(text))
            piece = self._socket.recv(_PIECE)
            if not piece:
                raise RuntimeError(f"the stream ended after {len(self._received)} bytes")
            self._received += piece
        return found + len(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()
