"""The server's side of one WebSocket after its upgrade (RFC 6455): wsproto between a stream and an outbox."""

from __future__ import annotations

from io import StringIO

import trio
from wsproto.frame_protocol import Frame, FrameProtocol, Opcode, ParseFailed

from actors.errors import CloseCode
from actors.outbox import Outbox
from actors.sink import BrokenSink
from transport.byte_stream import ByteStream

# Control frames are built without looking at a connection's state, so that one builder serves all.
_CONTROL = FrameProtocol(client=False, extensions=[])

PING = bytes(_CONTROL.ping())


class WebSocket:
    """Reads text messages of at most `message_bytes`, in the caller's task; nothing of it runs by itself.

    Pings and the client's close frame are answered as they are read. What breaks the protocol, a binary message or one
    too long is answered by a close frame that says so. All that is sent passes the outbox, in whole frames.
    """

    __slots__ = (
        "_behind",
        "_close_sent",
        "_frames",
        "_message",
        "_message_bytes",
        "_outbox",
        "_over",
        "_size",
        "_stream",
    )

    def __init__(self, stream: ByteStream, outbox: Outbox, message_bytes: int) -> None:
        self._stream = stream
        self._outbox = outbox
        self._message_bytes = message_bytes
        self._frames = FrameProtocol(client=False, extensions=[])
        self._message: StringIO | None = None
        """The fragments of a message that is not complete."""
        self._size = 0
        """How many bytes of it have come."""
        self._behind = False
        """More frames of the last read may wait."""
        self._close_sent = False
        self._over = False
        """Nothing more can be read: the client has closed or is gone, or what it sends is no WebSocket any more."""

    @property
    def over(self) -> bool:
        """Whether nobody is left to be told anything: the client has closed, or is gone."""
        return self._over

    async def receive(self) -> str | None:
        """The next message; None once the client has closed, is gone, or was told why this side closes.

        Where the client is gone while a ping is answered, that is its end too. A cancelled call loses no message.
        """
        while not self._close_sent and (frame := await self._next_frame()) is not None:
            match frame.opcode:
                case Opcode.TEXT:
                    if (text := self._add(frame)) is not None:
                        return text
                case Opcode.PING:
                    try:
                        await self._outbox.put(bytes(_CONTROL.pong(_payload(frame))))
                    except BrokenSink:
                        self._over = True
                case Opcode.BINARY:
                    self._send_close(CloseCode.UNSUPPORTED, "this protocol has text frames only")
                case _:
                    pass
        return None

    async def close(self, code: int, reason: str) -> None:
        """Sends a close frame unless one was sent before, and waits for the client's; the caller brings the deadline.

        What else the client sends meanwhile is discarded. One who is gone, or has closed, is told nothing more.
        """
        if not self._over:
            self._send_close(code, reason)
        while await self._next_frame() is not None:
            pass

    async def _next_frame(self) -> Frame | None:
        """The next frame, or a piece of a long one; None when nothing more can be read."""
        # A checkpoint for each frame: one read may bring ten thousand, and the other clients shall not wait for all.
        if self._behind or self._over:
            await trio.lowlevel.checkpoint()
        while not self._over:
            try:
                frame = next(self._frames.received_frames(), None)
            except ParseFailed as error:
                self._end(error.code, str(error))
                return None
            if frame is not None:
                self._behind = True
                return self._unless_close(frame)
            self._behind = False
            try:
                data = await self._stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if data:
                self._frames.receive_bytes(data)
            else:
                self._over = True
        return None

    def _unless_close(self, frame: Frame) -> Frame | None:
        if frame.opcode is not Opcode.CLOSE:
            return frame
        if not isinstance(frame.payload, tuple):
            raise TypeError(f"wsproto made no code and reason of a close frame: {frame.payload!r}")
        self._end(*frame.payload)
        return None

    def _end(self, code: int, reason: str) -> None:
        self._over = True
        self._send_close(code, reason)

    def _send_close(self, code: int, reason: str) -> None:
        if not self._close_sent:
            self._close_sent = True
            self._message = None
            self._outbox.put_nowait(bytes(_CONTROL.close(code, reason)))

    def _add(self, frame: Frame) -> str | None:
        """Adds a piece of a message and returns the message once it is whole."""
        text = frame.payload
        if not isinstance(text, str):
            raise TypeError(f"wsproto made no text of a text frame: {text!r}")
        self._size += len(text) if text.isascii() else len(text.encode())
        if self._size > self._message_bytes:
            self._send_close(CloseCode.TOO_BIG, f"a message has at most {self._message_bytes} bytes")
            return None
        if self._message is not None:
            self._message.write(text)
            text = ""
        elif not frame.message_finished:
            self._message = StringIO()
            self._message.write(text)
        if not frame.message_finished:
            return None
        if self._message is not None:
            text = self._message.getvalue()
            self._message = None
        self._size = 0
        return text


def _payload(frame: Frame) -> bytes:
    if not isinstance(frame.payload, bytes):
        raise TypeError(f"wsproto made no bytes of a ping: {frame.payload!r}")
    return frame.payload
