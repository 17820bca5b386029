"""What keeps a finished HTTP request from looking like one whose client left."""

from __future__ import annotations

import trio
from hypercorn.typing import ASGIReceiveCallable, ASGIReceiveEvent, ASGISendCallable, ASGISendEvent


class LateDisconnect:
    """Keeps `http.disconnect` back while the last part of an answer is being sent.

    Hypercorn puts it in front of the application as soon as the answer is complete. Quart takes it for a client that
    left and cancels the request, and with it Hypercorn's own steps that make the connection ready for the next one.
    """

    def __init__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self._receive = receive
        self._send = send
        self._ending = False
        self._ended = trio.Event()

    async def receive(self) -> ASGIReceiveEvent:
        message = await self._receive()
        if message["type"] == "http.disconnect" and self._ending:
            await self._ended.wait()
        return message

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(message)
            return
        self._ending = True
        try:
            await self._send(message)
        finally:
            self._ended.set()
