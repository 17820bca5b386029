"""A WebSocket library stands on the stream, with the head read again."""

from __future__ import annotations

import trio
import trio_websocket

from tests.transport.server import RecordingHandlers, start_server
from transport.byte_stream import ByteStream
from transport.head import RequestHead


class EchoOnce(RecordingHandlers):
    async def serve_websocket(self, stream: ByteStream, head: RequestHead) -> None:
        stream.unread(head.raw)
        async with trio.open_nursery() as reader:
            request = await trio_websocket.wrap_server_stream(reader, stream)
            async with await request.accept() as socket:
                message = await socket.get_message()
                assert isinstance(message, str)
                await socket.send_message(f"{head.path}: {message}")


async def test_trio_websocket_over_a_kept_alive_connection(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, handlers=EchoOnce())
    client = await server.connect()
    assert (await client.get()).status == 200
    assert isinstance(client.stream, trio.SocketStream)
    with trio.fail_after(10):
        socket = await trio_websocket.wrap_client_stream(nursery, client.stream, "test", "/ws")
        await socket.send_message("hello")
        assert await socket.get_message() == "/ws: hello"
        await socket.aclose()
    assert server.listener.statistics().crashed == 0
