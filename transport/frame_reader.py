"""A client's WebSocket frames, taken out of its bytes by websockets' parser (RFC 6455 section 5.2).

The parser is `Frame.parse` itself, and not the `Protocol` around it, which parses without a pause all it is given, ten
thousand pings of six bytes too, and answers and closes by itself.
"""

from __future__ import annotations

from collections.abc import Generator

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Close, CloseCode, Frame

from transport.control_frames import CONTROL_BYTES

_SHORTEST_HEAD = 6
"""Of a masked frame: two bytes and the mask."""

_Frames = Generator[Frame | None, None, None]


class UnreadableError(Exception):
    """What came is no WebSocket's, or longer than allowed; `code` and `reason` are for the close frame."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameReader:
    """Hands out a client's frames one by one, each once it has come whole.

    What has come of a frame is held until then: at most `message_bytes` and its head. Announcing a length reserves
    nothing.
    """

    __slots__ = ("_frames", "_message_bytes", "_received")

    def __init__(self, message_bytes: int) -> None:
        self._message_bytes = message_bytes
        self._received = _Received()
        # Control frames have a limit of their own, which the parser knows.
        self._frames = _parse(self._received, max(message_bytes, CONTROL_BYTES))

    @property
    def is_amid_frame(self) -> bool:
        """Whether a part of a frame has come, once `next` has returned None."""
        return bool(self._received.data)

    def feed(self, data: bytes) -> None:
        self._received.add(data)

    def next(self) -> Frame | None:
        """The next frame; None where more of it must come first.

        Raises UnreadableError; there is no next one then.
        """
        if self._received.start == len(self._received.data):
            self._received.clear()
            return None
        try:
            return next(self._frames)
        except PayloadTooBig as error:
            raise too_long(self._message_bytes) from error
        except ProtocolError as error:
            raise UnreadableError(CloseCode.PROTOCOL_ERROR, str(error)) from error


def said_at_close(frame: Frame) -> Close:
    """The code and reason in a client's close frame; 1005 where it has none. Raises UnreadableError."""
    try:
        return Close.parse(frame.data)
    except ProtocolError as error:
        raise UnreadableError(CloseCode.PROTOCOL_ERROR, str(error)) from error
    except UnicodeDecodeError as error:
        raise UnreadableError(CloseCode.INVALID_DATA, f"a reason is UTF-8: {error.reason}") from error


def too_long(message_bytes: int) -> UnreadableError:
    return UnreadableError(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {message_bytes} bytes")


class _Received:
    """The bytes from the frame at `start` on, of which the parser has read those up to `at`."""

    __slots__ = ("at", "data", "start")

    def __init__(self) -> None:
        self.data = bytearray()
        self.start = 0
        self.at = 0

    def add(self, data: bytes) -> None:
        del self.data[: self.start]
        self.at -= self.start
        self.start = 0
        self.data += data

    def clear(self) -> None:
        self.data.clear()
        self.start = self.at = 0

    def read_exact(self, size: int) -> Generator[None, None, bytearray]:
        """As the parser wants it: yields until so many bytes have come, and returns them."""
        while len(self.data) < self.at + size:
            yield
        start = self.at
        self.at += size
        return self.data[start : self.at]

    def end_of(self, frame: Frame) -> Frame:
        """What comes now is the next one's. Raises ProtocolError where the parser has read more than it needs."""
        size = len(frame.data)
        head = self.at - self.start - size
        if head != _SHORTEST_HEAD and head != _head_bytes(size):
            raise ProtocolError("the length of a frame takes more bytes than it needs")
        self.start = self.at
        return frame


def _parse(received: _Received, frame_bytes: int) -> _Frames:
    """Yields each frame, and None where more must come. No method: a reader would be held by what it holds."""
    while True:
        # Without a name for the frame: it would be held until the next one comes.
        yield received.end_of((yield from Frame.parse(received.read_exact, mask=True, max_size=frame_bytes)))


def _head_bytes(size: int) -> int:
    """Of a masked frame with so long a payload: two or eight more where the length needs them."""
    if size <= CONTROL_BYTES:
        return _SHORTEST_HEAD
    return _SHORTEST_HEAD + (2 if size < 1 << 16 else 8)
