"""A client without a task for which none can be had, or for which nobody waits any more."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.errors import CloseCode
from actors.spawner import CannotSpawn
from tests.support.gateway import Gateway, running_gateway
from tests.support.raw_websocket import RawWebSocket, text_frame
from transport.berth import Work
from transport.listener import Listener
from transport.newcomer import Newcomer
from transport.poller import Poller

PING = {"id": 1, "type": "ping"}
AUTH = {"id": 2, "type": "auth", "payload": {"token": "bob"}}


def refuse(self: Listener, name: str, work: Work) -> None:
    raise CannotSpawn(name)


@asynccontextmanager
async def parked(gateway: Gateway, user: str) -> AsyncIterator[RawWebSocket]:
    async with await RawWebSocket.open(gateway.port) as client:
        await client.login(user)
        assert (await client.request(PING))["type"] == "pong"
        yield client


async def test_who_asks_for_what_has_to_wait_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_gateway({}) as gateway, parked(gateway, "alice") as client:
        with monkeypatch.context() as patched:
            patched.setattr(Listener, "give_task", refuse)
            await client.send(text_frame(PING) + text_frame(AUTH))
            assert (await client.reply())["type"] == "pong"
            assert await client.closing() == CloseCode.RESTARTING
        await gateway.settled()
        # A coroutine that was never awaited says so when it is collected.
        gc.collect()


async def test_who_is_told_to_go_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_gateway({}) as gateway, parked(gateway, "alice") as client:
        with monkeypatch.context() as patched:
            patched.setattr(Listener, "give_task", refuse)
            gateway.world.connections.close_all(CloseCode.TRY_LATER, "too much to do")
            assert await client.closing() == CloseCode.TRY_LATER
        await gateway.settled()


async def test_a_plain_request_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_gateway({}) as gateway:
        monkeypatch.setattr(Listener, "give_task", refuse)
        async with await trio.open_tcp_stream("127.0.0.1", gateway.port) as stream:
            await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n")
            with trio.fail_after(10):
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 503 ")
                assert await stream.receive_some() == b""
        await gateway.settled()


async def test_who_waits_in_a_poller_that_ends_is_told() -> None:
    async with running_gateway({}) as gateway, parked(gateway, "alice") as client:
        ((fileno, berth),) = gateway.poller._residents.items()
        gateway.poller.remove(fileno)
        berth.abandon()
        assert await client.closing() == CloseCode.RESTARTING
        await gateway.settled()


async def test_nothing_remains_of_one_for_whom_the_poller_has_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    newcomers: list[Newcomer] = []
    begin = Newcomer.__init__

    def note(self: Newcomer, *arguments: object) -> None:
        newcomers.append(self)
        begin(self, *arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(Poller, "add", lambda self, fileno, resident: False)
    monkeypatch.setattr(Newcomer, "__init__", note)
    async with running_gateway({}) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            assert (await client.request(PING))["type"] == "pong"
            (newcomer,) = newcomers
            assert newcomer not in newcomer._drain._scopes
            assert not len(gateway.poller._deadlines)
        await gateway.settled()
