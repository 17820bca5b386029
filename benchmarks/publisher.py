"""A client that publishes events over HTTP and waits for each answer: enough of HTTP/1.1 to keep connections alive."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

CONNECTIONS = 8
PAD = "x" * 150
_HEAD = b"POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Publisher:
    """A context manager. Every event is of channel `app` and has some 200 bytes."""

    def __init__(self, port: int) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port), timeout=30) for _ in range(CONNECTIONS)]
        for each in self._sockets:
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def publish(self, topic: str) -> float:
        """Seconds from the request to its answer. Raises RuntimeError where it is refused."""
        began = time.perf_counter()
        _ask(self._sockets[0], topic)
        _read(self._sockets[0])
        return time.perf_counter() - began

    def publish_each(self, topics: Sequence[str]) -> None:
        """One event for each topic, on all connections side by side."""
        for start in range(0, len(topics), CONNECTIONS):
            asked = list(zip(self._sockets, topics[start : start + CONNECTIONS], strict=False))
            for connection, topic in asked:
                _ask(connection, topic)
            for connection, _ in asked:
                _read(connection)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self._sockets:
            each.close()


def _ask(connection: socket.socket, topic: str) -> None:
    event = {"channel": "app", "topic": topic, "event_type": "bench.event", "data": {"pad": PAD}}
    body = msgspec.json.encode(event)
    connection.sendall(_HEAD + str(len(body)).encode() + _HEAD_END + body)


def _read(connection: socket.socket) -> None:
    answer = b""
    while not _is_whole(answer):
        piece = connection.recv(65536)
        if not piece:
            raise RuntimeError("the server closed the publisher's connection")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"an event was refused: {answer[:200]!r}")


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(_HEAD_END)
    length = _LENGTH.search(head)
    return bool(end) and length is not None and len(body) >= int(length[1])
