"""The server's side of a WebSocket over a stream from memory: what it hands up, and what it says."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import Opcode

from tests.support.raw_websocket import PING, frame, text_frame
from tests.transport.recording import PONG_HELLO, Recording, open_on
from tests.transport.scripted_stream import cut
from transport.websocket import WebSocket

CLOSE = frame(Opcode.CLOSE, (1000).to_bytes(2, "big"))
CLOSE_1000 = b"\x88\x02\x03\xe8"


async def texts(socket: WebSocket) -> list[str | bytes]:
    found = []
    while (text := await socket.receive()) is not None:
        found.append(text)
    return found


def close_code(written: bytes) -> int:
    assert written[0] == 0x88, written
    return int.from_bytes(written[2:4], "big")


@given(positions=st.sets(st.integers(1, 60)))
def test_however_it_is_cut_the_same_comes_out(positions: set[int]) -> None:
    data = (
        text_frame("one")
        + frame(0, "zw\N{LATIN SMALL LETTER O WITH DIAERESIS}"[:2].encode() + b"\xc3", first=Opcode.TEXT)
        + PING
        + frame(0, b"", first=0)
        + frame(Opcode.CONTINUATION, b"\xb6")
        + CLOSE
    )
    stream = Recording(*cut(data, positions))

    async def run() -> list[str | bytes]:
        return await texts(open_on(stream))

    assert trio.run(run) == ["one", "zw\N{LATIN SMALL LETTER O WITH DIAERESIS}"]
    assert stream.written == PONG_HELLO + CLOSE_1000


async def test_a_close_amid_a_fragmented_message_is_answered_and_nothing_of_it_handed_up() -> None:
    stream = Recording(frame(0, b"half", first=Opcode.TEXT) + CLOSE + text_frame("late"))
    assert await texts(open_on(stream)) == []
    assert stream.written == CLOSE_1000


@pytest.mark.parametrize("end", [b"", trio.BrokenResourceError("reset"), trio.ClosedResourceError("aborted")])
async def test_one_who_leaves_without_a_close_is_told_nothing(end: bytes | Exception) -> None:
    stream = Recording(text_frame("last") + frame(0, b"half", first=Opcode.TEXT), end=end)
    socket = open_on(stream)
    assert await texts(socket) == ["last"]
    await socket.close(1000, "")
    assert stream.written == b""


async def test_after_its_own_close_it_waits_for_the_clients_and_answers_no_ping() -> None:
    stream = Recording(PING + text_frame("late") + CLOSE, end=None)
    with trio.fail_after(10):
        await open_on(stream).close(1012, "")
    assert stream.written == b"\x88\x02" + (1012).to_bytes(2, "big")


async def test_only_one_close_frame_is_sent() -> None:
    stream = Recording(frame(Opcode.BINARY, b"x") + CLOSE)
    socket = open_on(stream)
    assert await texts(socket) == []
    await socket.close(1000, "")
    assert close_code(stream.written) == 1003
    assert stream.written.count(b"\x88") == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (text_frame("x" * 1000), None),
        (text_frame("x" * 1001), 1009),
        (text_frame("\N{SNOWMAN}" * 333), None),
        (text_frame("\N{SNOWMAN}" * 334), 1009),
        (frame(0, b"x" * 600, first=Opcode.TEXT) + PING + frame(Opcode.CONTINUATION, b"x" * 401), 1009),
        # A ping between the fragments is none of them, however little is left.
        (frame(0, b"x" * 999, first=Opcode.TEXT) + PING + frame(Opcode.CONTINUATION, b"x"), None),
    ],
)
async def test_the_limit_counts_the_bytes_of_all_fragments(message: bytes, code: int | None) -> None:
    stream = Recording(message + text_frame("next"))
    found = await texts(open_on(stream))
    if code is None:
        assert found[-1] == "next"
        assert len(found) == 2
    else:
        assert found == []
        assert close_code(stream.written.removeprefix(PONG_HELLO)) == code


async def test_binary_messages_are_for_dialects_that_ask_for_them() -> None:
    pieces = frame(0, b"a" * 600, first=Opcode.BINARY) + PING + frame(Opcode.CONTINUATION, b"\xff" * 400)
    stream = Recording(pieces + text_frame("text") + frame(Opcode.BINARY, b"") + frame(Opcode.BINARY, b"b" * 1001))
    assert await texts(open_on(stream, binary=True)) == [b"a" * 600 + b"\xff" * 400, "text", b""]
    assert close_code(stream.written.removeprefix(PONG_HELLO)) == 1009


async def test_a_cancelled_wait_loses_no_message() -> None:
    stream = Recording(text_frame("kept"))
    socket = open_on(stream)
    with trio.CancelScope() as scope:
        scope.cancel()
        await socket.receive()
    assert scope.cancelled_caught
    assert await socket.receive() == "kept"
