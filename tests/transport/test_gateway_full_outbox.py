"""A client that does not read its replies: what it costs, that it is told all the same, and how it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
import trio
import trio.testing
from wsproto.events import Ping, Pong, TextMessage
from wsproto.frame_protocol import Opcode

from actors.outbox import Outbox, OutboxOptions
from tests.support.gateway import running_gateway
from tests.support.raw_websocket import RawWebSocket, frame, text_frame
from tests.transport.agents import AGENTS
from tests.transport.bystander import disturbed_gateway
from transport import gateway_socket
from transport.gateway_services import GatewayOptions

ROOM = 4096
ONE_SLICE = 16 * 1024
PINGS = 3000
PATIENT = GatewayOptions(
    auth_required=True,
    commands_per_second=1e6,
    commands_burst=1e6,
    outbox=OutboxOptions(replies_bytes=ROOM, stall_seconds=60),
)


@pytest.fixture
def outboxes(monkeypatch: pytest.MonkeyPatch) -> list[Outbox]:
    """Those of all connections, in the order in which they came."""
    made: list[Outbox] = []

    class Kept(Outbox):
        def __init__(self, *parts: Any) -> None:
            super().__init__(*parts)
            made.append(self)

    monkeypatch.setattr(gateway_socket, "Outbox", Kept)
    return made


async def full(outbox: Outbox) -> None:
    with trio.fail_after(10):
        while outbox.has_room:
            await trio.testing.wait_all_tasks_blocked(0.005)
        await trio.testing.wait_all_tasks_blocked(0.005)


def numbered(number: int) -> bytes:
    return b"%0120d" % number


async def test_a_ping_flood_behind_one_big_reply(caplog: pytest.LogCaptureFixture, outboxes: list[Outbox]) -> None:
    name = "x" * 1_000_000
    async with (
        disturbed_gateway(caplog, PATIENT) as gateway,
        gateway.client("bob", "tablet") as other,
        await RawWebSocket.open(gateway.port, receive_buffer=4096) as client,
        trio.open_nursery() as nursery,
    ):
        outbox = outboxes[-1]
        await client.login("alice")
        await client.send(text_frame({"id": name, "type": "ping"}))
        pings = b"".join(frame(Opcode.PING, numbered(number)) for number in range(PINGS))
        nursery.start_soon(client.stream.send_all, pings)
        await full(outbox)
        waiting = outbox.statistics()
        assert 0 < waiting.replies_bytes <= ROOM + ONE_SLICE + len(frame(Opcode.PONG, numbered(0)))
        assert waiting.rest_bytes < len(name) + 1000
        assert (await other.request("ping"))["type"] == "pong"
        assert outbox.statistics() == waiting
        big = await client.next()
        assert isinstance(big, TextMessage)
        assert name in big.data
        for number in range(PINGS):
            pong = await client.next()
            assert isinstance(pong, Pong)
            assert pong.payload == numbered(number)


async def test_who_reads_its_replies_slowly_is_not_given_up_as_silent(outboxes: list[Outbox]) -> None:
    async with (
        running_gateway(AGENTS, options=PATIENT) as gateway,
        await RawWebSocket.open(gateway.port, receive_buffer=4096) as client,
        trio.open_nursery() as nursery,
    ):
        await client.login("alice")
        await client.send(text_frame({"id": "x" * 1_000_000, "type": "ping"}))
        nursery.start_soon(client.stream.send_all, frame(Opcode.PING, numbered(0)) * PINGS)
        await full(outboxes[-1])
        for minute in range(5):
            await gateway.world.connections.round(trio.current_time() + 60 * minute, 0.0)
        assert isinstance(await client.next(), TextMessage)
        pongs = 0
        while pongs < PINGS:
            # It was pinged meanwhile, too.
            pongs += isinstance(event := await client.next(), Pong)
            assert isinstance(event, Ping | Pong)


async def test_a_reset_while_the_reader_waits_for_room(
    caplog: pytest.LogCaptureFixture, outboxes: list[Outbox]
) -> None:
    async with disturbed_gateway(caplog, PATIENT) as gateway:
        client = await RawWebSocket.open(gateway.port, receive_buffer=4096)
        await client.login("alice")
        async with trio.open_nursery() as nursery:

            async def flood() -> None:
                with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    while True:
                        await client.stream.send_all(text_frame({"id": "x" * 2000, "type": "ping"}) * 100)

            nursery.start_soon(flood)
            await full(outboxes[-1])
            await client.reset()
        await gateway.settled(connections=1)
        assert not outboxes[-1].has_room
        assert outboxes[-1].statistics().replies_bytes == 0
