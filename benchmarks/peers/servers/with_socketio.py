"""python-socketio: its asynchronous server, WebSocket only, on uvicorn with uvloop; one room, `emit` to it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import socketio
import uvicorn
import uvloop
from broadcast import STAMP_DIGITS, Options, broadcast, listen

ROOM = "everybody"
server = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], http_compression=False)


@server.on("subscribe")
async def subscribe(sid: str) -> None:
    await server.enter_room(sid, ROOM)
    await server.emit("subscribed", to=sid)


@server.on("ping_me")
async def ping_me(sid: str, request: dict[str, Any]) -> None:
    await server.emit("pong", {"type": "pong", "id": request["id"]}, to=sid)


async def to_all(text: str) -> None:
    await server.emit("tick", json.loads(text) if text.startswith("{") else text, room=ROOM)


async def main() -> None:
    options = Options()
    # The library writes the JSON anew: with its own frame around it and without the spaces that pad the time stamp.
    options.size += STAMP_DIGITS - len(str(time.monotonic_ns())) - len('42["tick",]')
    config = uvicorn.Config(
        socketio.ASGIApp(server), loop="uvloop", http="httptools", ws="websockets-sansio",
        ws_per_message_deflate=False, log_level="warning", access_log=False,
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        group.create_task(uvicorn.Server(config).serve(sockets=[listen()]))
        group.create_task(broadcast(options, to_all, lambda: ()))


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
