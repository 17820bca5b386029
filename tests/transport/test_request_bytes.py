"""The bytes of one request end where the request ends."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.transport.scripted_stream import ScriptedStream, cut
from transport.head import RequestHead, read_head
from transport.request_bytes import RequestBytes

NEXT = b"GET /next HTTP/1.1\r\nHost: test\r\n\r\n"


def sized(body: bytes) -> bytes:
    return b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def chunked(parts: list[bytes]) -> bytes:
    body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part)
    return b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\nTrailer: x\r\n\r\n"


REQUESTS = st.one_of(st.binary(max_size=80).map(sized), st.lists(st.binary(max_size=20), max_size=5).map(chunked))


async def start(stream: ScriptedStream) -> RequestBytes:
    head = await read_head(stream, 1000, 10)
    assert isinstance(head, RequestHead)
    return RequestBytes(stream, head)


@given(
    first=REQUESTS, cuts=st.lists(st.integers(0, 300), max_size=8), behind=st.sampled_from([NEXT, b"\0", b"0\r\n\r\n"])
)
def test_a_request_is_passed_on_whole_and_nothing_of_the_next(first: bytes, cuts: list[int], behind: bytes) -> None:
    async def run() -> tuple[bytes, bytes]:
        stream = ScriptedStream(cut(first + behind, cuts))
        request = await start(stream)
        passed = b""
        while len(passed) < len(first):
            data = await request.receive()
            assert data
            passed += data
        return passed, await stream.remainder()

    assert trio.run(run) == (first, behind)


async def test_a_client_that_leaves_while_it_waits_for_the_answer_is_noticed() -> None:
    request = await start(ScriptedStream([NEXT]))
    assert await request.receive() == NEXT
    assert await request.receive() == b""


async def test_a_client_that_breaks_off_its_body_is_noticed() -> None:
    request = await start(ScriptedStream([sized(b"whole")[:-2]]))
    assert await request.receive() + await request.receive() == sized(b"whole")[:-2]
    assert await request.receive() == b""


async def test_a_pipelined_request_stays_on_the_stream_in_a_wait_that_is_cancelled(autojump_clock: MockClock) -> None:
    stream = ScriptedStream([NEXT, NEXT, NEXT])
    request = await start(stream)
    assert await request.receive() == NEXT
    with trio.move_on_after(1) as waited:
        await request.receive()
    assert waited.cancelled_caught
    assert await stream.remainder() == NEXT + NEXT


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"3\r\nabcd\r\n"])
async def test_a_body_that_is_broken_is_passed_on_to_the_end(chunk: bytes) -> None:
    start_line = b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = await start(ScriptedStream([start_line, chunk, b"more", b"still"]))
    parts = [await request.receive() for _ in range(5)]
    assert parts == [start_line, chunk, b"more", b"still", b""]
