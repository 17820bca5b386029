"""One who asks more than its rate allows: every frame is answered, in order, but it is read more slowly."""

from __future__ import annotations

from collections import Counter

import orjson
import trio
import trio.testing
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from tests.support.credentials import NamesAreKeys, NamesAreTickets
from tests.support.raw_websocket import text_frame
from tests.support.world import World
from tests.transport.recording import Recording
from transport.client_services import ClientOptions, ClientServices
from transport.client_socket import ClientSocket
from transport.dialects.gateway_events import GatewayPayload, SseEncoder
from transport.dialects.gateway_replies import WebSocketEncoder
from transport.event_stream import ChunkedEncoder
from transport.gateway_conversation import GatewayConversation

OPTIONS = ClientOptions(auth_required=False, commands_per_second=10, commands_burst=20)
COMMANDS = 200


def services(nursery: trio.Nursery) -> ClientServices:
    world = World(nursery, {})
    payload = GatewayPayload()
    return ClientServices(
        router=world.router,
        connections=world.connections,
        feeds=world.feeds,
        verifier=NamesAreKeys(),
        tickets=NamesAreTickets(),
        gateway_frames=WebSocketEncoder(payload),
        gateway_blocks=ChunkedEncoder(SseEncoder(payload)),
        spawn_writer=nursery.start_soon,
        spawn_worker=nursery.start_soon,
        options=OPTIONS,
    )


def replies(stream: Recording) -> list[tuple[int, str]]:
    """The ids and types of what was written as text frames."""
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(stream.written)
    found = [orjson.loads(event.data) for event in client.events() if isinstance(event, TextMessage)]
    return [(reply["id"], reply["type"]) for reply in found]


async def test_a_flood_is_answered_in_order_and_read_more_slowly(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    flood = b"".join(text_frame({"id": number, "type": "ping"}) for number in range(COMMANDS))
    stream = Recording(flood, end=None)
    chosen = services(nursery)
    nursery.start_soon(ClientSocket(stream, chosen, chosen.gateway_frames, GatewayConversation).serve, b"")
    await trio.sleep(0.001)
    # So many are carried out at once, and as many refused. What comes behind them waits.
    assert Counter(kind for _, kind in replies(stream)) == {"pong": 20, "error": 21}
    await trio.sleep(2)
    kinds = Counter(kind for _, kind in replies(stream))
    assert 38 <= kinds["pong"] <= 41
    assert 38 <= kinds["error"] <= 42
    await trio.sleep(30)
    assert [number for number, _ in replies(stream)] == list(range(COMMANDS))
