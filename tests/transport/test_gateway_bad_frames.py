"""Frames that break the WebSocket protocol or its limits: the connection is closed, and the code says why."""

from __future__ import annotations

import pytest
import trio
from wsproto.frame_protocol import Opcode

from actors.event import ChannelKey, draft
from tests.support.raw_websocket import PING, RawWebSocket, frame, text_frame
from tests.transport.bystander import disturbed_gateway
from tests.transport.server_frames import server_frames
from transport.client_services import ClientOptions

MIB = 1024 * 1024


def ping_of(size: int, filler: str = "x") -> str:
    """A ping request of so many bytes."""
    shell = '{"id":1,"type":"ping","payload":""}'
    return shell.replace('""', f'"{filler * ((size - len(shell)) // len(filler.encode()))}"').ljust(size)


def in_fragments(text: str, size: int) -> bytes:
    data = text.encode()
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    first, *more = parts
    *middle, last = more
    opening = frame(Opcode.TEXT, first, first=Opcode.TEXT)
    return opening + b"".join(frame(0, part, first=0) for part in middle) + frame(Opcode.CONTINUATION, last)


@pytest.mark.parametrize("data", [text_frame(ping_of(MIB)), in_fragments(ping_of(MIB), 65_536)], ids=["whole", "parts"])
async def test_a_message_of_one_mib_is_allowed(caplog: pytest.LogCaptureFixture, data: bytes) -> None:
    async with disturbed_gateway(caplog) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send(data)
        reply = await client.reply()
        assert (reply["type"], reply["id"]) == ("pong", 1)


@pytest.mark.parametrize(
    "data",
    [
        text_frame(ping_of(MIB + 1)),
        in_fragments(ping_of(MIB + 1), 65_536),
        # More bytes than allowed in fewer characters.
        text_frame(ping_of(MIB + 1, "\N{SNOWMAN}")),
        # The length alone says it; so much is never sent.
        b"\x81\xff" + (1 << 62).to_bytes(8, "big") + bytes(4) + b"x" * (MIB + 1),
    ],
    ids=["whole", "parts", "characters", "endless"],
)
async def test_a_longer_message_closes_1009(caplog: pytest.LogCaptureFixture, data: bytes) -> None:
    async with disturbed_gateway(caplog) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send(data)
        assert await client.closing() == 1009


async def test_a_binary_frame_closes_1003_after_what_was_asked_before_it(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send(
            text_frame({"type": "ping"}) + frame(Opcode.BINARY, b"\x00\x01") + text_frame({"type": "ping"})
        )
        assert (await client.reply())["type"] == "pong"
        assert await client.closing() == 1003


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(Opcode.TEXT, b"\xff"), 1007),
        (frame(Opcode.TEXT, b'{"type":"\xed\xa0\x80"}'), 1007),
        (frame(Opcode.TEXT, b"\xe2\x98"), 1007),
        (frame(0, b"hi", first=0xC1), 1002),
        (frame(0, b"hi", first=0xB1), 1002),
        (frame(0x3, b"hi"), 1002),
        (frame(0xB, b"hi"), 1002),
        (frame(Opcode.TEXT, b"{}", masked=False), 1002),
        (frame(Opcode.PING, b"x" * 126), 1002),
        (frame(0, b"half", first=Opcode.PING), 1002),
        (frame(Opcode.CONTINUATION, b"of nothing"), 1002),
        (frame(0, b"{", first=Opcode.TEXT) + frame(Opcode.TEXT, b"}"), 1002),
        (frame(Opcode.CLOSE, b"\x03"), 1002),
        (frame(Opcode.CLOSE, (1005).to_bytes(2, "big")), 1002),
        (frame(Opcode.CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
        (b"\x81\xfe\x00\x01" + bytes(4) + b"x", 1002),
        (b"GET / HTTP/1.1\r\nHost: test\r\n\r\n", 1002),
    ],
)
async def test_a_malformed_frame_closes_with_the_reason(
    caplog: pytest.LogCaptureFixture, data: bytes, code: int
) -> None:
    async with disturbed_gateway(caplog) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.login("alice")
        await client.request({"type": "subscribe", "payload": {"channel": "task"}})
        await client.send(data + PING)
        assert await client.closing() == code


@pytest.mark.parametrize("payload", [b"", (1000).to_bytes(2, "big") + b"bye", (4999).to_bytes(2, "big")])
async def test_a_close_is_answered_with_its_code(caplog: pytest.LogCaptureFixture, payload: bytes) -> None:
    async with disturbed_gateway(caplog) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send(frame(Opcode.CLOSE, payload))
        assert await client.closing() == (int.from_bytes(payload[:2], "big") or 1005)
        assert await client.stream.receive_some() == b""


async def test_control_frames_between_fragments_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send(frame(0, b'{"type":', first=Opcode.TEXT) + PING + frame(Opcode.PONG, b"unasked"))
        assert await client.pong() == b"hello"
        await client.send(frame(Opcode.CONTINUATION, b'"ping"}'))
        assert (await client.reply())["type"] == "pong"


async def test_a_frame_that_arrives_byte_by_byte_is_read(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await RawWebSocket.open(gateway.port) as client:
        for byte in text_frame({"id": "slow", "type": "ping"}):
            await client.send(bytes([byte]))
        assert (await client.reply())["id"] == "slow"


async def test_a_small_limit_is_kept_in_one_packet_with_more_behind_it(caplog: pytest.LogCaptureFixture) -> None:
    options = ClientOptions(auth_required=True, message_bytes=256)
    async with disturbed_gateway(caplog, options) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send((text_frame("x" * 257) + PING) * 20)
        assert await client.closing() == 1009


async def test_no_event_follows_the_close_frame(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway:

        async def emit_always() -> None:
            while True:
                await gateway.world.channels.emit(ChannelKey("app", "news"), draft("number", 1))

        for _ in range(10):
            async with await RawWebSocket.open(gateway.port) as client:
                await client.login("alice")
                await client.request({"type": "subscribe", "payload": {"channel": "app", "topics": ["news"]}})
                async with trio.open_nursery() as busy:
                    busy.start_soon(emit_always)
                    closing = frame(Opcode.BINARY, b"x") + frame(Opcode.CLOSE, (1000).to_bytes(2, "big"))
                    await client.send(text_frame({"type": "ping"}) + closing)
                    data = b"".join([piece async for piece in client.stream])
                    busy.cancel_scope.cancel()
                opcodes = [opcode for opcode, _ in server_frames(data)]
                assert opcodes.index(Opcode.CLOSE) == len(opcodes) - 1
