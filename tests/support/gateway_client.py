"""A client of the gateway dialect over trio-websocket, which nobody here wrote."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
from trio_websocket import WebSocketConnection


class Client:
    """Puts events by while it waits for replies."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.events: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    async def send(self, text: str) -> None:
        await self.socket.send_message(text)

    async def receive(self) -> dict[str, Any]:
        """The next frame that is no event; events are put by."""
        while True:
            frame: dict[str, Any] = orjson.loads(await self.socket.get_message())
            if frame["type"] != "event":
                return frame
            self.events.append(frame["payload"])

    async def event(self) -> dict[str, Any]:
        """The next event."""
        while not self.events:
            frame = orjson.loads(await self.socket.get_message())
            assert frame["type"] == "event", frame
            self.events.append(frame["payload"])
        return self.events.pop(0)

    async def events_until(self, *last: str) -> list[dict[str, Any]]:
        """All events up to one of these types."""
        seen = [await self.event()]
        while seen[-1]["event_type"] not in last:
            seen.append(await self.event())
        return seen

    async def request(self, kind: str, payload: object = None) -> dict[str, Any]:
        """Sends a request and returns its reply."""
        named = f"r{next(self._ids)}"
        frame: dict[str, object] = {"id": named, "type": kind}
        if payload is not None:
            frame["payload"] = payload
        await self.send(orjson.dumps(frame).decode())
        reply = await self.receive()
        assert reply["id"] == named
        return reply

    async def login(self, user: str, device: str | None = None) -> dict[str, Any]:
        payload = {"token": user} if device is None else {"token": user, "device_id": device}
        reply = await self.request("auth", payload)
        assert reply["payload"]["success"], reply
        return reply
