"""A request that gives its length twice is refused, and its connection carries no other."""

from __future__ import annotations

import trio

from tests.support.agents import AGENTS
from tests.support.gateway import running_gateway

HEAD = b"POST /api/v1/tickets HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n"
SMUGGLED = b"0\r\n\r\nGET /healthz HTTP/1.1\r\nhost: test\r\n\r\n"


async def test_two_lengths() -> None:
    async with running_gateway(AGENTS) as gateway:
        async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
            await stream.send_all(HEAD + SMUGGLED)
            answer = b"".join([part async for part in stream])
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1 ") == 1
