"""A model endpoint on a real socket that misbehaves as told, byte by byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import h11
import orjson
import trio


class Exchange:
    """One request as it came, and the means to answer it in raw bytes."""

    def __init__(self, stream: trio.SocketStream, headers: dict[str, str], body: Any) -> None:  # JSON of any shape
        self._stream = stream
        self.headers = headers
        self.body = body
        self.closed = trio.Event()
        """Set when the client closed its side."""

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            await self._stream.send_all(part)

    async def until_closed(self) -> None:
        try:
            while await self._stream.receive_some(4096):
                pass
        except trio.BrokenResourceError:
            pass
        self.closed.set()


Script: TypeAlias = Callable[[Exchange], Awaitable[None]]


class Upstream:
    """Answers the n-th request by the n-th script, then closes the connection."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self._scripts = list(scripts)
        self.exchanges: list[Exchange] = []
        self.base_url = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            exchange = await _read_request(stream)
            if exchange is not None:
                self.exchanges.append(exchange)
                await self._scripts[len(self.exchanges) - 1](exchange)


async def start_upstream(nursery: trio.Nursery, *scripts: Script) -> Upstream:
    """Serves on a free port of the loopback until `nursery` ends."""
    endpoint = Upstream(scripts)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, endpoint.serve, listeners)
    endpoint.base_url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
    return endpoint


async def _read_request(stream: trio.SocketStream) -> Exchange | None:
    peer = h11.Connection(h11.SERVER)
    headers: dict[str, str] = {}
    body = b""
    while True:
        match peer.next_event():
            case h11.Request() as request:
                headers = {name.decode(): value.decode() for name, value in request.headers}
            case h11.Data() as data:
                body += data.data
            case h11.EndOfMessage():
                return Exchange(stream, headers, orjson.loads(body))
            case h11.ConnectionClosed():
                return None
            case _:
                peer.receive_data(await stream.receive_some(65_536))


def status(line: str, *headers: str, body: bytes = b"") -> bytes:
    """A whole answer: `status("429 Too Many Requests", "Retry-After: 2")`."""
    lines = [f"HTTP/1.1 {line}", "Connection: close", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


STREAM = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n\r\n"
"""The head of a stream that ends with the connection."""

DONE = b"data: [DONE]\n\n"


def chunk(text: str = "", finish: str | None = None) -> bytes:
    """One event with a piece of text."""
    data = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}
    return b"data: " + orjson.dumps(data) + b"\n\n"
