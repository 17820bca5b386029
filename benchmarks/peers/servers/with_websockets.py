"""websockets: `broadcast()`, which its documentation recommends, without compression, on uvloop."""

from __future__ import annotations

import asyncio

import uvloop
from broadcast import Options, answer, broadcast, listen
from websockets.asyncio.server import ServerConnection, serve
from websockets.asyncio.server import broadcast as to_all


async def main() -> None:
    clients: set[ServerConnection] = set()

    async def client(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(answer(message))
            clients.add(connection)
        clients.discard(connection)

    async with serve(client, sock=listen(), compression=None, ping_interval=None):
        await broadcast(
            Options(),
            lambda text: to_all(clients, text),
            lambda: (each.transport.get_write_buffer_size() for each in clients),
        )


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
