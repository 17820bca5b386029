"""A listener of ours that sends every WebSocket message back."""

from __future__ import annotations

import trio
from wsproto.frame_protocol import FrameProtocol

from actors.outbox import Outbox, OutboxOptions
from actors.rate import TokenBucket
from actors.spawner import SpawnTask
from tests.transport.server import RecordingHandlers
from transport.byte_stream import ByteStream
from transport.head import RequestHead
from transport.upgrade import switching_protocols, upgrade_refusal
from transport.websocket import WebSocket

MESSAGE_BYTES = 16 * 1024 * 1024
"""The suite's longest message."""
CLOSE_SECONDS = 5.0
UNLIMITED = 1e9
"""Frames a second that may do nothing."""

_FRAMES = FrameProtocol(client=False, extensions=[])


class EchoHandlers(RecordingHandlers):
    """Echoes text as text and binary messages as binary ones, over the parts that serve a client of the gateway."""

    def __init__(self, spawn_writer: SpawnTask, message_bytes: int = MESSAGE_BYTES) -> None:
        super().__init__()
        self._spawn_writer = spawn_writer
        self._message_bytes = message_bytes

    async def serve_websocket(self, stream: ByteStream, head: RequestHead) -> None:
        if refusal := upgrade_refusal(head):
            await stream.send_all(refusal)
            return
        outbox = Outbox(stream, self._spawn_writer, OutboxOptions())
        try:
            outbox.put_nowait(switching_protocols(head))
            spare = TokenBucket(UNLIMITED, UNLIMITED, trio.current_time())
            await self._echo(WebSocket(stream, outbox, self._message_bytes, spare, binary=True), outbox)
        finally:
            if outbox.busy:
                outbox.abort()

    async def _echo(self, socket: WebSocket, outbox: Outbox) -> None:
        while (message := await socket.receive()) is not None:
            socket.reply(bytes(_FRAMES.send_data(message)))
        with trio.move_on_after(CLOSE_SECONDS):
            await socket.close(1000, "")
            await outbox.drain()
