"""Starlette on uvicorn with uvloop, httptools and the websockets library, without compression and access log.

A plain loop of `send_text`: it waits for a client that is slow, and with it all others do.
"""

from __future__ import annotations

import asyncio

import uvicorn
import uvloop
from broadcast import Options, answer, broadcast, listen
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

clients: set[WebSocket] = set()


async def client(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            text = await socket.receive_text()
            await socket.send_text(answer(text))
            clients.add(socket)
    except WebSocketDisconnect:
        clients.discard(socket)


async def to_all(text: str) -> None:
    for each in list(clients):
        await each.send_text(text)


async def main() -> None:
    application = Starlette(routes=[WebSocketRoute("/{path:path}", client)])
    config = uvicorn.Config(
        application, loop="uvloop", http="httptools", ws="websockets-sansio", ws_per_message_deflate=False,
        ws_ping_interval=None, log_level="warning", access_log=False,
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        group.create_task(uvicorn.Server(config).serve(sockets=[listen()]))
        group.create_task(broadcast(Options(), to_all, lambda: ()))


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
