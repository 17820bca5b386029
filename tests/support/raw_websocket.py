"""A WebSocket client that can do what no library's would: it sends the bytes it is told to."""

from __future__ import annotations

import socket
from typing import Any

import orjson
import trio
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, Event, Pong, TextMessage
from wsproto.frame_protocol import FrameProtocol, Opcode

_MASK = b"mask"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE = (
    "GET /api/v1/gateway/ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


def text_frame(message: object) -> bytes:
    """A masked text frame; anything but a string is sent as JSON."""
    text = message if isinstance(message, str) else orjson.dumps(message).decode()
    return bytes(FrameProtocol(client=True, extensions=[]).send_data(text, fin=True))


def frame(opcode: int, payload: bytes = b"", *, first: int | None = None, masked: bool = True) -> bytes:
    """A frame with this first byte, or a final one of `opcode`. Nothing about it need be valid."""
    head = bytes([0x80 | opcode if first is None else first])
    mask = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head += bytes([mask | size])
    elif size < 1 << 16:
        head += bytes([mask | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([mask | 127]) + size.to_bytes(8, "big")
    if not masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))


PING = frame(Opcode.PING, b"hello")


class RawWebSocket(trio.abc.AsyncResource):
    """Every wait fails after ten seconds."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._frames = Connection(ConnectionType.CLIENT)
        self._events: list[Event] = []
        self._ended = False

    @classmethod
    async def open(cls, port: int, behind: bytes = b"", receive_buffer: int | None = None) -> RawWebSocket:
        """Upgrades, with these bytes in the same packet as the upgrade."""
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", port))
        client = cls(trio.SocketStream(sock))
        await client.send(UPGRADE + behind)
        head = b""
        with trio.fail_after(10):
            while b"\r\n\r\n" not in head:
                data = await client.stream.receive_some()
                assert data, head
                head += data
        status, _, frames = head.partition(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 101 "), status
        client._frames.receive_data(frames)
        return client

    async def send(self, data: bytes) -> None:
        with trio.fail_after(10):
            await self.stream.send_all(data)

    async def request(self, message: dict[str, Any]) -> dict[str, Any]:
        """Sends it, and returns the next text frame that is no event."""
        await self.send(text_frame(message))
        return await self.reply()

    async def login(self, user: str) -> None:
        assert (await self.request({"type": "auth", "payload": {"token": user}}))["payload"]["success"]

    async def reply(self) -> dict[str, Any]:
        while True:
            event = await self.next()
            assert isinstance(event, TextMessage | Pong), event
            if isinstance(event, TextMessage):
                found: dict[str, Any] = orjson.loads(event.data)
                if found["type"] != "event":
                    return found

    async def pong(self) -> bytes:
        """The payload of the next pong; messages before it are passed over."""
        while not isinstance(event := await self.next(), Pong):
            assert isinstance(event, TextMessage), event
        return bytes(event.payload)

    async def closing(self) -> int:
        """The code of the close frame, or 1006 where the connection ends without one. What comes before it is passed
        over; the close frame is not answered."""
        while (event := await self.next()) is not None:
            if isinstance(event, CloseConnection):
                return int(event.code)
        return 1006

    async def next(self) -> Event | None:
        """The next frame, a long message joined; None at the end of the connection."""
        text = ""
        while True:
            while not self._events and not self._ended:
                await self._read()
            if not self._events:
                return None
            event = self._events.pop(0)
            if not isinstance(event, TextMessage):
                return event
            text += event.data
            if event.message_finished:
                return TextMessage(text)

    async def _read(self) -> None:
        self._events.extend(self._frames.events())
        if self._events:
            return
        with trio.fail_after(10):
            try:
                data = await self.stream.receive_some()
            except trio.BrokenResourceError:
                data = b""
        if not data:
            self._ended = True
            return
        self._frames.receive_data(data)
        self._events.extend(self._frames.events())

    async def aclose(self) -> None:
        """Closes the connection without a word of the protocol."""
        await self.stream.aclose()

    async def reset(self) -> None:
        """Vanishes: the server gets an RST."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await self.stream.aclose()
