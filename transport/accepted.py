"""A WebSocket upgrade that was accepted without a wait."""

from __future__ import annotations

from transport.berth import Work
from transport.byte_stream import ByteStream
from transport.client_socket import ClientSocket


class Accepted:
    """Serves the client of an upgrade that was accepted at once: it may begin without a task."""

    __slots__ = ("_answer", "client")

    def __init__(self, client: ClientSocket, answer: bytes) -> None:
        self.client = client
        self._answer = answer

    async def __call__(self) -> None:
        await self.client.serve(self._answer)

    def begin(self, stream: ByteStream) -> Work | None:
        """What has come with the head is handled. What is returned goes on where something has to wait."""
        self.client.begin(self._answer)
        # What comes later is told of: to look for it now would mostly find nothing.
        return self.client.ready() if stream.has_unread else self.client.rest()
