"""Messages out of a client's text and binary frames (RFC 6455 section 5.4)."""

from __future__ import annotations

from codecs import getincrementaldecoder
from io import StringIO

from websockets.frames import CONT, TEXT, CloseCode, Frame
from websockets.typing import BytesLike

from transport.frame_reader import UnreadableError, too_long

_Utf8Decoder = getincrementaldecoder("utf-8")


class MessageAssembly:
    """Puts the frames of one client together; those between which it may send others, pings say, are not for this.

    A message has at most `message_bytes`, all its frames together, as they were sent. However many frames it comes in,
    nothing but their content is kept.
    """

    __slots__ = ("_bytes", "_fragments", "_message_bytes")

    def __init__(self, message_bytes: int) -> None:
        self._message_bytes = message_bytes
        self._fragments: _Text | _Binary | None = None
        """Of a message that is not complete."""
        self._bytes = 0
        """How many have come of it."""

    def add(self, frame: Frame) -> str | bytes | None:
        """The message that ends with this frame, bytes if it is binary; None where more of it is to come.

        Raises UnreadableError at the first frame with which it cannot be a message any more.
        """
        data, fragments = frame.data, self._fragments
        if (frame.opcode is CONT) is (fragments is None):
            expected = "a message begins with another" if fragments is None else "a message goes on with a continuation"
            raise UnreadableError(CloseCode.PROTOCOL_ERROR, f"{expected} frame")
        size = self._bytes + len(data)
        if size > self._message_bytes:
            raise too_long(self._message_bytes)
        try:
            if fragments is None:
                is_text = frame.opcode is TEXT
                if frame.fin:
                    return str(data, "utf-8") if is_text else bytes(data)
                self._fragments = fragments = _Text() if is_text else _Binary()
            fragments.add(data)
            if not frame.fin:
                self._bytes = size
                return None
            message = fragments.whole()
        except UnicodeDecodeError as error:
            raise UnreadableError(CloseCode.INVALID_DATA, f"a text is UTF-8: {error.reason}") from error
        self._fragments, self._bytes = None, 0
        return message


class _Text:
    """Decodes as it goes: a text that is none fails with the frame that spoils it."""

    __slots__ = ("_decoder", "_text")

    def __init__(self) -> None:
        self._decoder = _Utf8Decoder()
        self._text = StringIO()

    def add(self, data: BytesLike) -> None:
        self._text.write(self._decoder.decode(data))

    def whole(self) -> str:
        self._decoder.decode(b"", final=True)
        return self._text.getvalue()


class _Binary:
    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: BytesLike) -> None:
        self._data += data

    def whole(self) -> bytes:
        return bytes(self._data)
