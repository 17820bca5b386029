"""picows: a listener of callbacks and `WSTransport.send` for each client, on uvloop, as its documentation shows."""

from __future__ import annotations

import asyncio

import uvloop
from broadcast import Options, answer, broadcast, listen
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

clients: set[WSTransport] = set()


class Client(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.TEXT:
            transport.send(WSMsgType.TEXT, answer(frame.get_payload_as_bytes()).encode())
            clients.add(transport)
        elif frame.msg_type == WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        clients.discard(transport)


def to_all(text: str) -> None:
    payload = text.encode()
    for each in clients:
        each.send(WSMsgType.TEXT, payload)


def accept(_: WSUpgradeRequest) -> Client:
    return Client()


async def main() -> None:
    await ws_create_server(accept, sock=listen())
    await broadcast(Options(), to_all, lambda: (each.underlying_transport.get_write_buffer_size() for each in clients))


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
