"""What the suite is run against is the server's WebSocket, with its limits and its refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.autobahn.echo import EchoHandlers
from tests.transport.server import start_server

LIMIT = 100_000


@asynccontextmanager
async def connected() -> AsyncIterator[WebSocketConnection]:
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            server = await start_server(nursery, handlers=EchoHandlers(nursery.start_soon, LIMIT))
            host, port = server.listener.addresses[0]
            # Opened here because trio-websocket leaves the stream open where the server is the first to close.
            async with await trio.open_tcp_stream(host, port) as stream:
                socket = await wrap_client_stream(nursery, stream, host, "/")
                yield socket
                await socket.aclose()
            assert server.listener.statistics().crashed == 0
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "message",
    ["", "text", "\N{SNOWMAN}" * 33_000, b"", b"\xff\0", bytes(LIMIT)],
    ids=["no text", "text", "characters", "no bytes", "bytes", "as long as allowed"],
)
async def test_a_message_comes_back_as_it_was(message: str | bytes) -> None:
    async with connected() as socket:
        await socket.send_message(message)
        assert await socket.get_message() == message


@pytest.mark.parametrize("message", ["x" * (LIMIT + 1), bytes(LIMIT + 1)], ids=["text", "binary"])
async def test_one_too_long_is_refused(message: str | bytes) -> None:
    async with connected() as socket:
        await socket.send_message(message)
        with pytest.raises(ConnectionClosed) as closed:
            await socket.get_message()
    assert closed.value.reason is not None
    assert closed.value.reason.code == 1009
