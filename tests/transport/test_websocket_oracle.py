"""Whatever a client sends, and however it is cut, it is answered as wsproto's reading of it says."""

from __future__ import annotations

from collections.abc import Iterator

import trio
from hypothesis import given
from hypothesis import strategies as st
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed

from tests.support.raw_websocket import frame
from tests.transport.recording import Recording, open_on
from tests.transport.scripted_stream import cut
from tests.transport.server_frames import server_frames

LIMIT = 1000

ECHO_TEXT = 0x81
ECHO_BINARY = 0x82

contents = st.one_of(st.text(max_size=30).map(str.encode), st.binary(max_size=30))
beginnings = st.sampled_from([Opcode.TEXT, 0x80 | Opcode.TEXT, Opcode.BINARY, 0x80 | Opcode.BINARY])
continuations = st.sampled_from([Opcode.CONTINUATION, 0x80 | Opcode.CONTINUATION])
well_formed = st.one_of(
    st.builds(lambda first, content: frame(0, content, first=first), st.one_of(beginnings, continuations), contents),
    st.builds(frame, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)),
)
good_codes = st.sampled_from([1000, 1001, 1003, 1007, 1011, 1013, 3000, 4999])
bad_codes = st.sampled_from([999, 1004, 1005, 1006, 1015, 1016, 2999, 5000])
# One fault each: of two either may be told.
closes = st.one_of(
    st.builds(lambda code, reason: frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason), good_codes, contents),
    st.builds(lambda code: frame(Opcode.CLOSE, code.to_bytes(2, "big") + b"reason"), bad_codes),
    st.sampled_from([frame(Opcode.CLOSE), frame(Opcode.CLOSE, b"\x03"), frame(0, b"\x03\xe8", first=Opcode.CLOSE)]),
)
long = st.just(frame(0, b"x" * 600, first=Opcode.TEXT) + frame(Opcode.CONTINUATION, b"x" * 401))
first_bytes = st.integers(0, 255).filter(lambda first: first & 0x0F != Opcode.CLOSE)
malformed = st.one_of(
    st.builds(lambda first, content: frame(0, content, first=first), first_bytes, contents),
    st.builds(lambda content: frame(Opcode.TEXT, content, masked=False), contents),
    st.builds(frame, st.just(Opcode.PING), st.binary(min_size=126, max_size=200)),
    st.builds(lambda content: b"\x81\xfe" + len(content).to_bytes(2, "big") + bytes(4) + content, contents),
    st.builds(lambda content: b"\x81\xff" + len(content).to_bytes(8, "big") + bytes(4) + content, contents),
)
streams = st.lists(st.one_of(well_formed, well_formed, well_formed, closes, long, malformed), max_size=12)
positions = st.sets(st.integers(1, 300))


async def echo(stream: Recording) -> None:
    """Answers each message with itself, until the client is gone or was told why it is left."""
    socket = open_on(stream, LIMIT, binary=True)
    while (message := await socket.receive()) is not None:
        if isinstance(message, str):
            socket.reply(bytes([ECHO_TEXT]) + length(message.encode()))
        else:
            socket.reply(bytes([ECHO_BINARY]) + length(message))
    await socket.close(1000, "")


def length(content: bytes) -> bytes:
    """The content behind its length."""
    size = len(content)
    return (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + content


def answered(data: bytes, at: set[int]) -> list[tuple[int, bytes]]:
    """What it was told, in order. Of a close frame the code."""
    stream = Recording(*cut(data, at))
    trio.run(echo, stream)
    return [
        (opcode, content[:2] if opcode == Opcode.CLOSE else content)
        for opcode, content in server_frames(stream.written)
    ]


def answered_by_wsproto(data: bytes) -> list[tuple[int, bytes]]:
    return list(_answers(data))


def _answers(data: bytes) -> Iterator[tuple[int, bytes]]:
    protocol = FrameProtocol(client=False, extensions=[])
    protocol.receive_bytes(data)
    message = b""
    try:
        for read in protocol.received_frames():
            if isinstance(read.payload, tuple):
                code = read.payload[0]
                yield Opcode.CLOSE, b"" if code == CloseReason.NO_STATUS_RCVD else code.to_bytes(2, "big")
                return
            content = read.payload.encode() if isinstance(read.payload, str) else read.payload
            if read.opcode is Opcode.PING:
                yield Opcode.PONG, content
            elif read.opcode is not Opcode.PONG:
                message += content
                if len(message) > LIMIT:
                    yield Opcode.CLOSE, (1009).to_bytes(2, "big")
                    return
                if read.message_finished:
                    yield read.opcode, message
                    message = b""
    except ParseFailed as error:
        yield Opcode.CLOSE, int(error.code).to_bytes(2, "big")


@given(streams.map(b"".join), positions)
def test_it_is_answered_as_wsproto_reads_it(data: bytes, at: set[int]) -> None:
    assert answered(data, at) == answered_by_wsproto(data)


spoilt = st.builds(
    lambda data, at, byte: data[: at % (len(data) + 1)] + bytes([byte]) + data[at % (len(data) + 1) + 1 :],
    streams.map(b"".join),
    st.integers(0, 10_000),
    st.integers(0, 255),
)


@given(st.one_of(st.binary(max_size=300), spoilt), positions)
def test_garbage_is_messages_and_at_most_one_close_frame_the_last(data: bytes, at: set[int]) -> None:
    told = [opcode for opcode, _ in answered(data, at)]
    assert Opcode.CLOSE not in told[:-1]
    assert set(told) <= {Opcode.TEXT, Opcode.BINARY, Opcode.PONG, Opcode.CLOSE}
