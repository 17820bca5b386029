"""Clients of the steps dialect on a gateway of this machine, and events of tasks for its projection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import orjson
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from actors.event import ChannelKey, Draft, Event, Json, draft
from actors.log import Log
from actors.retention import Retention
from tests.support.event_stream import StreamClient
from tests.support.gateway import Gateway

Frame = dict[str, Any]


class StepsSocket:
    """A client over trio-websocket, which nobody here wrote."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []

    async def send(self, kind: str, data: object = None, **more: object) -> None:
        frame: dict[str, object] = {"type": kind, **more}
        if data is not None:
            frame["data"] = data
        await self.socket.send_message(orjson.dumps(frame).decode())

    async def receive(self) -> Frame:
        with trio.fail_after(10):
            frame: Frame = orjson.loads(await self.socket.get_message())
        self.frames.append(frame)
        return frame

    async def until(self, kind: str, **data: object) -> Frame:
        """The next frame of that type with these data."""
        while True:
            frame = await self.receive()
            if frame["type"] == kind and data.items() <= frame["data"].items():
                return frame

    async def until_status(self, state: str) -> Frame:
        return await self.until("status", state=state)


@asynccontextmanager
async def steps_socket(gateway: Gateway, user: str, last_event_id: str | None = None) -> AsyncIterator[StepsSocket]:
    """Connected and not yet greeted."""
    path = f"/ws?access_token={user}" + (f"&lastEventId={last_event_id}" if last_event_id is not None else "")
    async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(nursery, stream, "127.0.0.1", path)
        yield StepsSocket(socket)
        await socket.aclose()


@asynccontextmanager
async def steps_stream(gateway: Gateway, headers: dict[str, str]) -> AsyncIterator[StreamClient]:
    stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
    async with StreamClient(stream) as client:
        await client.get("/sse", headers)
        yield client


def task_events(*told: tuple[str, Json, int], task_id: str = "task-1") -> list[Event]:
    """Events of one task: type, data, and time in milliseconds."""
    log = Log(ChannelKey("task", task_id, "alice"), Retention(seconds=1e12), epoch="e1")
    return [log.append(draft(kind, data, timestamp=at)) for kind, data, at in told]


def read(drafts: Iterable[Draft]) -> list[tuple[str, Any]]:
    """The types and data of drafts."""
    return [(one.event_type, orjson.loads(one.body)) for one in drafts]
