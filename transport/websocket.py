"""The server's side of one WebSocket after its upgrade (RFC 6455): between a stream and an outbox."""

from __future__ import annotations

import trio
from websockets.frames import BINARY, CLOSE, CONT, PING, TEXT, Frame

from actors.errors import CloseCode
from actors.outbox import Outbox
from actors.rate import TokenBucket
from actors.sink import BrokenSink
from transport.byte_stream import ByteStream
from transport.control_frames import close_frame, pong
from transport.frame_reader import FrameReader, UnreadableError, said_at_close
from transport.message_assembly import MessageAssembly

_SLICE_SECONDS = 0.00025
"""How long the frames of one read are handled before the other clients have their turn."""
_HELD_BYTES = 16 * 1024
_SMALL_BYTES = 512
"""A frame with fewer costs what its handling costs, and not what its bytes do."""
_LONGEST_PAUSE = 1.0


class WebSocket:
    """Reads text messages of at most `message_bytes`, in the caller's task; nothing of it runs by itself.

    Pings and the client's close frame are answered as they are read. What breaks the protocol, a binary message unless
    the dialect has them, or one too long is answered by a close frame that says so. All that is sent passes the outbox,
    in whole frames.

    One read may bring thousands of frames. They are handled in slices of time, without a checkpoint in between: what a
    slice answers leaves in one write before anything else can run. Small frames that make no message (pings, pongs,
    fragments) and those that the caller charges are taken from `spare`; a client that has used it up is not read for a
    while, so that TCP holds it back.
    """

    __slots__ = (
        "_behind",
        "_binary",
        "_close_sent",
        "_frames",
        "_held",
        "_held_bytes",
        "_message_bytes",
        "_messages",
        "_outbox",
        "_over",
        "_resume_at",
        "_slice_end",
        "_small_read",
        "_spare",
        "_stream",
    )

    def __init__(
        self, stream: ByteStream, outbox: Outbox, message_bytes: int, spare: TokenBucket, *, binary: bool = False
    ) -> None:
        self._stream = stream
        self._outbox = outbox
        self._message_bytes = message_bytes
        self._spare = spare
        self._binary = binary
        # Both are made when something comes: many a client only listens.
        self._frames: FrameReader | None = None
        self._messages: MessageAssembly | None = None
        self._small_read = False
        self._held: list[bytes] | None = None
        """What this slice answers. Made when there is something: an idle connection holds few objects."""
        self._held_bytes = 0
        self._slice_end = 0.0
        self._resume_at = 0.0
        self._behind = False
        """More frames of the last read may wait."""
        self._close_sent = False
        self._over = False
        """Nothing more can be read: the client has closed or is gone, or what it sends is no WebSocket any more."""

    @property
    def over(self) -> bool:
        """Whether nobody is left to be told anything: the client has closed, or is gone."""
        return self._over

    @property
    def ended(self) -> bool:
        """Whether no message comes any more. This side may have sent its close frame: no event may follow that."""
        return self._over or self._close_sent

    @property
    def at_rest(self) -> bool:
        """Whether all that has come is handled and answered, and the next is to be waited for."""
        return not self._behind and self._held is None and not self.ended and self._outbox.has_room

    @property
    def needs_slice(self) -> bool:
        """Whether more of the last read is to be handled, and needs nothing but another slice."""
        return self._behind and not self.ended and self._outbox.has_room and self._resume_at <= trio.current_time()

    def read_nowait(self) -> bool:
        """Begins a slice of what is left of the last read, else of what has come. False where there is nothing."""
        if self._behind:
            self._slice_end = trio.current_time() + _SLICE_SECONDS
            return True
        try:
            data = self._stream.receive_nowait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data is None:
            return False
        self._take(data)
        return True

    async def receive(self, *, wait: bool = True) -> str | bytes | None:
        """The next message, as bytes if it is binary; None once the client has closed, is gone, or was told why this
        side closes. Without `wait` also None once all that has come is handled.

        Sends before what was to be sent, and waits until the outbox has room. A cancelled call loses neither a message
        nor a reply.
        """
        if self.ended:
            await trio.lowlevel.checkpoint()
        while not self.ended:
            if not self._outbox.has_room and (self._held or self._behind):
                try:
                    await self._outbox.wait_for_room()
                except BrokenSink:
                    self._over = True
                    break
            if self._held is not None:
                self.flush()
                # Who waits for this answer before it goes on cannot have sent anything yet: a read now would find
                # nothing, and to be woken costs more than to let the others go first.
                await trio.lowlevel.checkpoint()
            if not wait and not self._behind and self._outbox.has_room:
                return None
            await self._next_slice()
            if (message := self.receive_nowait()) is not None:
                return message
        return None

    def receive_nowait(self) -> str | bytes | None:
        """The next of the messages that came with the last one. None where it is `receive`'s turn: the next has yet to
        come or never will, the other clients shall have their turn, or the outbox is full."""
        while self._goes_on and (frame := self._next_frame()) is not None:
            opcode = frame.opcode
            if opcode is TEXT or opcode is CONT or (opcode is BINARY and self._binary):
                if (message := self._add(frame)) is not None:
                    return message
            elif opcode is PING:
                self.reply(pong(frame.data))
            elif opcode is BINARY:
                self.send_close(CloseCode.UNSUPPORTED, "this protocol has text frames only")
            if len(frame.data) < _SMALL_BYTES:
                self.charge()
        return None

    def charge(self) -> None:
        """Counts a frame that did nothing for anybody. Beyond the rate of those nothing more is read for a while."""
        now = trio.current_time()
        if debt := self._spare.spend(now):
            self._resume_at = now + min(debt, _LONGEST_PAUSE)

    def reply(self, frame: bytes) -> None:
        """Has a frame sent by the next `flush`, `receive` or `close`. The caller waits for nothing else before."""
        if self._held is None:
            self._held = []
        self._held.append(frame)
        self._held_bytes += len(frame)

    def flush(self) -> None:
        """Sends what is to be sent, in one piece. Once the connection is gone that goes nowhere."""
        if self._held is not None:
            frames, self._held, self._held_bytes = self._held, None, 0
            self._outbox.put_nowait(frames[0] if len(frames) == 1 else b"".join(frames))

    async def close(self, code: int, reason: str) -> None:
        """Sends a close frame unless one was sent before, and waits for the client's; the caller brings the deadline.

        What else the client sends meanwhile is discarded. One who is gone, or has closed, is told nothing more.
        """
        self.flush()
        if not self._over:
            self.send_close(code, reason)
        await trio.lowlevel.checkpoint()
        while not self._over:
            await self._next_slice()
            while trio.current_time() < self._slice_end and self._next_frame() is not None:
                pass

    @property
    def _goes_on(self) -> bool:
        return (
            self._resume_at <= trio.current_time() < self._slice_end
            and self._held_bytes < _HELD_BYTES
            and self._outbox.has_room
            and not (self._over or self._close_sent)
        )

    async def _next_slice(self) -> None:
        """Lets the others have their turn, and reads on where all that was read has been handled."""
        if self._resume_at > trio.current_time() and not self._close_sent:
            await trio.sleep_until(self._resume_at)
        if self._behind:
            await trio.lowlevel.checkpoint()
        else:
            try:
                data = await self._stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            self._take(data)
            return
        self._slice_end = trio.current_time() + _SLICE_SECONDS

    def _take(self, data: bytes) -> None:
        if data:
            if self._frames is None:
                self._frames = FrameReader(self._message_bytes)
            self._frames.feed(data)
            self._small_read = len(data) < _SMALL_BYTES
            self._behind = True
        else:
            self._over = True
        self._slice_end = trio.current_time() + _SLICE_SECONDS

    def _next_frame(self) -> Frame | None:
        """The next frame that has come whole, unless it is the client's last."""
        if self._frames is None:
            return None
        try:
            frame = self._frames.next()
            if frame is None:
                self._all_read(self._frames)
            elif frame.opcode is CLOSE:
                said = said_at_close(frame)
                self._end(said.code, said.reason)
                return None
        except UnreadableError as error:
            self._end(error.code, error.reason)
            return None
        return frame

    def _all_read(self, frames: FrameReader) -> None:
        if self._behind and self._small_read and frames.is_amid_frame:
            # A long frame in many small reads costs as much as many small frames.
            self.charge()
        self._behind = False

    def _end(self, code: int, reason: str) -> None:
        self._over = True
        self.send_close(code, reason)

    def send_close(self, code: int, reason: str) -> None:
        """Sends what is to be sent, and a close frame unless one was sent before. Waits for nothing."""
        if not self._close_sent:
            self._close_sent = True
            self._messages = None
            self.reply(close_frame(code, reason))
            self.flush()

    def _add(self, frame: Frame) -> str | bytes | None:
        """The message that the frame ends. What cannot become one is answered by a close frame."""
        if self._messages is None:
            self._messages = MessageAssembly(self._message_bytes)
        try:
            return self._messages.add(frame)
        except UnreadableError as error:
            self._end(error.code, error.reason)
            return None
