"""A client that is idle has no task, and loses nothing by that."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from unittest.mock import patch

import pytest
import trio
import trio.testing
from wsproto.frame_protocol import FrameProtocol

from actors.errors import CloseCode
from tests.support.credentials import PRINCIPALS
from tests.support.event_stream import StreamClient
from tests.support.gateway import Gateway, running_gateway
from tests.support.pipeline import PIPELINE, pipeline_client
from tests.support.raw_websocket import RawWebSocket, text_frame
from tests.transport.agents import AGENTS
from tests.transport.dialect_clients import DIALECTS, dialect_client
from transport import websocket
from transport.berth import Work
from transport.client_socket import ClientSocket
from transport.gateway_conversation import GatewayConversation
from transport.listener import Listener
from transport.listener_options import Bind, ListenerOptions

PING = {"id": 1, "type": "ping"}
AUTH = {"id": 3, "type": "auth", "payload": {"token": "alice"}}
SUBSCRIBE = {"id": 2, "type": "subscribe", "payload": {"channel": "app", "topics": ["t"]}}
PONG = bytes(FrameProtocol(client=False, extensions=[]).pong(b"hello"))
LISTENER = ListenerOptions(binds=(Bind(port=0),), head_seconds=0.05, linger_seconds=0.2)


class Tasks:
    """How many tasks parked connections were given."""

    def __init__(self) -> None:
        self.given = 0


async def test_what_greets_a_client_is_sent_before_it_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    def greet(self: GatewayConversation) -> None:
        self._client.reply(PONG)

    monkeypatch.setattr(GatewayConversation, "greet", greet)
    async with running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            assert await client.pong() == b"hello"
        await gateway.settled()


@asynccontextmanager
async def counting() -> AsyncIterator[Tasks]:
    tasks, give_task = Tasks(), Listener.give_task

    def count(listener: Listener, name: str, work: Work) -> None:
        tasks.given += 1
        give_task(listener, name, work)

    # However slow this machine is, no slice ends before its work.
    with patch.object(Listener, "give_task", count), patch.object(websocket, "_SLICE_SECONDS", 60.0):
        yield tasks


async def test_what_needs_no_wait_is_answered_without_a_task() -> None:
    async with counting() as tasks, running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            for _ in range(3):
                assert (await client.request(PING))["type"] == "pong"
            assert tasks.given == 0
        await gateway.settled()


async def test_after_a_wait_a_client_is_idle_again_without_a_task() -> None:
    async with counting() as tasks, running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            await client.login("alice")
            given = tasks.given
            assert given == 1
            assert (await client.request(PING))["type"] == "pong"
            assert tasks.given == given
        await gateway.settled()


async def test_what_is_answered_is_sent_before_a_task_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting: list[Callable[[], None]] = []
    give_task = Listener.give_task

    def give_later(listener: Listener, name: str, work: Work) -> None:
        waiting.append(partial(give_task, listener, name, work))

    async with running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            with monkeypatch.context() as patched:
                patched.setattr(Listener, "give_task", give_later)
                await client.send(text_frame(PING) + text_frame(AUTH))
                assert (await client.reply())["type"] == "pong"
            (begin,) = waiting
            begin()
            assert (await client.reply())["type"] == "auth.result"
        await gateway.settled()


async def test_a_slice_that_ends_gives_the_others_their_turn_and_takes_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = GatewayConversation.answer

    def answer_slowly(self: GatewayConversation, text: str) -> Awaitable[None] | None:
        work = answer(self, text)
        self._client._socket._slice_end = 0.0
        return work

    monkeypatch.setattr(GatewayConversation, "answer", answer_slowly)
    async with counting() as tasks, running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            await client.send(b"".join(text_frame({**PING, "id": number}) for number in range(16)))
            assert [(await client.reply())["id"] for _ in range(16)] == list(range(16))
            await _until_parked(gateway)
            assert (await client.request(PING))["type"] == "pong"
            assert tasks.given == 0
        await gateway.settled()


async def test_one_who_is_closed_between_two_slices_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = GatewayConversation.answer

    def close_after(self: GatewayConversation, text: str) -> Awaitable[None] | None:
        work = answer(self, text)
        self._client._socket._slice_end = 0.0
        trio.lowlevel.spawn_system_task(_close, self._client)
        return work

    async def _close(client: ClientSocket) -> None:
        client.close(CloseCode.RESTARTING, "the server restarts")

    monkeypatch.setattr(GatewayConversation, "answer", close_after)
    async with running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            await client.send(text_frame(PING) * 16)
            assert (await client.reply())["type"] == "pong"
            assert await client.closing() == CloseCode.RESTARTING
        await gateway.settled()


@pytest.mark.parametrize("name", DIALECTS)
async def test_an_idle_client_of_any_dialect_has_no_task(name: str) -> None:
    async with running_gateway(AGENTS) as gateway, dialect_client(gateway, name, "alice") as client:
        for _ in range(2):
            await client.before_pong()
            await _until_parked(gateway)
        assert len(gateway.world.connections) == 1


@pytest.mark.parametrize(
    # Somebody who comes into a room is announced there, and that waits.
    ("name", "given"),
    [("gateway", 0), ("agent", 0), ("steps", 0), ("wallet", 0), ("pipeline", 1)],
)
async def test_one_who_is_known_comes_in_without_a_task(name: str, given: int) -> None:
    async with running_gateway(AGENTS) as gateway, dialect_client(gateway, name, "alice"):
        gateway.verifier.known.add("alice")
        async with counting() as tasks, dialect_client(gateway, name, "alice"):
            assert tasks.given == given


async def test_a_reader_of_an_event_stream_has_no_task_and_goes_when_told() -> None:
    async with counting() as tasks, running_gateway({}) as gateway:
        async with StreamClient(await trio.open_tcp_stream("127.0.0.1", gateway.port)) as reader:
            await reader.get("/api/v1/channels/app/t/events?access_token=alice")
            assert (await reader.event()).event == "subscribed"
            await _until_parked(gateway)
            given = tasks.given
            # What it says goes nowhere, and it stays.
            await reader.stream.send_all(b"hello")
            async with await RawWebSocket.open(gateway.port) as other:
                assert (await other.request(PING))["type"] == "pong"
                assert tasks.given == given
            gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
            assert await reader.block() is None
        await gateway.settled()


async def _until_parked(gateway: Gateway) -> None:
    with trio.fail_after(10):
        while not len(gateway.poller):
            await trio.testing.wait_all_tasks_blocked()


async def test_who_is_idle_in_a_room_is_still_in_it() -> None:
    async with running_gateway(AGENTS) as gateway:
        async with pipeline_client(gateway, "group", query="&access_token=alice"):
            await _until_parked(gateway)
            room = await gateway.pipelines.room(PRINCIPALS["alice"], PIPELINE, "group")
            # Past the grace of one who was lost.
            await gateway.pipelines.round(trio.current_time() + 3600)
            assert gateway.pipelines.online(room) == ("alice",)
        await gateway.settled()
        await gateway.pipelines.round(trio.current_time() + 3600)
        assert gateway.pipelines.online(room) == ()


async def test_a_crash_is_its_own_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(self: GatewayConversation, text: str) -> None:
        raise RuntimeError(text)

    async with (
        running_gateway({}) as gateway,
        await RawWebSocket.open(gateway.port) as other,
        await RawWebSocket.open(gateway.port) as client,
    ):
        with monkeypatch.context() as patched:
            patched.setattr(GatewayConversation, "answer", crash)
            await client.send(text_frame(PING))
            assert await client.closing() == 1006
        assert gateway.listener.statistics().crashed == 1
        assert len(gateway.world.connections) == 1
        assert (await other.request(PING))["type"] == "pong"


async def test_one_that_breaks_as_it_is_answered_gets_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(self: GatewayConversation, text: str) -> None:
        self._client.outbox.abort()

    monkeypatch.setattr(GatewayConversation, "answer", break_off)
    async with counting() as tasks, running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            await client.send(text_frame(PING))
            assert await client.closing() == 1006
        await gateway.settled()
        assert tasks.given == 1


async def test_who_is_told_to_go_is_told_why() -> None:
    async with running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            assert (await client.request(PING))["type"] == "pong"
            gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
            assert await client.closing() == CloseCode.RESTARTING
        await gateway.settled()


async def test_one_that_is_given_up_while_idle_leaves_nothing() -> None:
    async with running_gateway({}) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.login("alice")
        assert (await client.request(SUBSCRIBE))["type"] == "subscribed"
        for connection in tuple(gateway.world.connections._watches):
            connection.outbox.abort()
        await gateway.settled()


async def test_one_who_says_nothing_is_closed_in_time() -> None:
    async with running_gateway({}, listener_options=LISTENER) as gateway:
        async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
            with trio.fail_after(10):
                assert await stream.receive_some() == b""
        await gateway.settled()


async def test_one_who_resets_before_a_word_leaves_nothing() -> None:
    async with running_gateway({}) as gateway:
        stream = await trio.open_tcp_stream("127.0.0.1", gateway.port)
        with trio.fail_after(10):
            while gateway.listener.statistics().open != 1:
                await trio.testing.wait_all_tasks_blocked()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await stream.aclose()
        await gateway.settled()
