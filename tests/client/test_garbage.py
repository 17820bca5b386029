"""A server that is none, or that has gone mad: one error of the client's own, and never a wait without end."""

from __future__ import annotations

import pytest
import trio
from trio.testing import memory_stream_pair

from callboard_client import ConnectionLost, Event, NotUnderstood, Unreachable, connect
from tests.client.scripted_gateway import URL, Peer, client_of

NO_HANDSHAKES = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "bytes": bytes(range(256)) * 8,
    "zeros": b"\0" * 5000,
    "no WebSocket": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    "half a head": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n",
    "the wrong key": (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n"
    ),
    "a head without end": b"HTTP/1.1 101 X\r\n" + b"a: b\r\n" * 50_000,
}


@pytest.mark.parametrize("said", NO_HANDSHAKES.values(), ids=NO_HANDSHAKES)
async def test_what_is_no_websocket_is_an_error_of_the_client(
    said: bytes, nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    async def dial() -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        ours, theirs = memory_stream_pair()
        nursery.start_soon(theirs.send_all, said)
        return ours

    with trio.fail_after(60), pytest.raises((Unreachable, NotUnderstood, ConnectionLost)):
        async with connect(URL, "ab_key", stream=dial):
            raise AssertionError


async def test_a_later_connection_that_is_none_is_tried_again(
    nursery: trio.Nursery, autojump_clock: trio.abc.Clock
) -> None:
    async def breaks(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(1)
        await peer.drop()

    async def goes_on(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(1)
        await peer.event(2)
        await peer.stay()

    down = Unreachable("HTTP 502 instead of a WebSocket")
    async with client_of(breaks, down, down, goes_on) as (client, network), client.subscribe("task", "t") as events:
        pushed = await anext(events)
        assert isinstance(pushed, Event)
        assert len(network.times) == 4


GARBAGE: dict[str, str | bytes] = {
    "no JSON": "garbage",
    "binary": b"\xff\xfe",
    "a list": "[]",
    "no type": "{}",
    "an event without a place": '{"type":"event","payload":{"channel":"task","topic":"t","event_type":"x","data":1}}',
    "an event whose payload is a text": '{"type":"event","payload":"x"}',
    "nesting without end": '{"type":"event","payload":' + "[" * 50_000,
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE)
async def test_a_frame_that_is_none_ends_the_client(said: str | bytes, autojump_clock: trio.abc.Clock) -> None:
    async def mad(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit()
        await peer.socket.send_message(said)
        await peer.stay()

    async with client_of(mad) as (client, network):
        async with client.subscribe("task", "t") as events:
            with pytest.raises(NotUnderstood):
                await anext(events)
        with pytest.raises(NotUnderstood):
            await client.ping()
        assert len(network.times) == 1


@pytest.mark.parametrize(
    "payload", [{}, {"success": True}, {"task_id": 7, "state": "queued", "position": "e:1"}, {"task_id": "t"}]
)
async def test_an_answer_of_another_form_fails_that_request_alone(
    payload: dict[str, object], autojump_clock: trio.abc.Clock
) -> None:
    async def odd(peer: Peer) -> None:
        await peer.welcome()
        await peer.reply(await peer.take("task.action"), "task.result", payload)
        stranger = {"id": "of-nobody"}
        await peer.reply(stranger, "task.result", payload)
        await peer.reply(await peer.take("ping"), "pong")
        await peer.stay()

    async with client_of(odd) as (client, _):
        with pytest.raises(NotUnderstood):
            await client.create("a", "p")
        await client.ping()


async def test_attempts_at_a_server_that_hangs_up_at_once_grow_apart(autojump_clock: trio.abc.Clock) -> None:
    async def greets_and_leaves(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(1)
        await peer.drop()

    async with client_of(*[greets_and_leaves] * 12) as (client, network):
        async with client.subscribe("task", "t"):
            await trio.sleep(60)
        waits = [seconds for _, seconds in network.drops]
        assert waits == sorted(waits)
        assert waits[-1] >= 8
