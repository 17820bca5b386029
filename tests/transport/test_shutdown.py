"""Stopping: who is busy finishes, who does not read cannot hold it up."""

from __future__ import annotations

import math

import msgspec
import pytest
import trio
import trio.testing
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

from tests.transport.server import OPTIONS, start_server
from tests.transport.test_keep_alive import EVENT_GET, UPGRADE


class Stages:
    """An application whose answer has two parts; the second waits to be let through, or never ends."""

    def __init__(self, *, endless: bool = False) -> None:
        self.endless = endless
        self.started = trio.Event()
        self.go_on = trio.Event()
        self.ended = trio.Event()
        self.told = trio.Event()
        self.lifespan: list[str] = []

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._answer, send)
            while (await receive())["type"] != "http.disconnect":
                pass
            self.told.set()
            nursery.cancel_scope.cancel()

    async def _answer(self, send: ASGISendCallable) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"first ", "more_body": True})
            self.started.set()
            while self.endless:
                await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
            await self.go_on.wait()
            await send({"type": "http.response.body", "body": b"second", "more_body": False})
        finally:
            self.ended.set()

    async def _live(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        self.lifespan.append((await receive())["type"])
        await send({"type": "lifespan.startup.complete"})
        self.lifespan.append((await receive())["type"])
        await send({"type": "lifespan.shutdown.complete"})


PATIENT = msgspec.structs.replace(OPTIONS, head_seconds=3600, keep_alive_seconds=3600)


async def test_a_client_that_stops_reading_does_not_block_a_stop(nursery: trio.Nursery) -> None:
    app = Stages(endless=True)
    # No deadline of the write ends it: only being told to stop.
    options = msgspec.structs.replace(OPTIONS, write_seconds=math.inf)
    with trio.fail_after(10):
        async with trio.open_nursery() as stopping:
            server = await start_server(stopping, options, app, clients=nursery)
            client = await server.connect()
            await client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            await app.started.wait()
            await trio.testing.wait_all_tasks_blocked(0.05)
            assert not app.ended.is_set()
            stopping.cancel_scope.cancel()
    assert app.ended.is_set()


async def test_a_client_that_stops_reading_is_cut_off(nursery: trio.Nursery) -> None:
    app = Stages(endless=True)
    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, write_seconds=0.1), app)
    client = await server.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    with trio.fail_after(10):
        # The endless handler is told that its client is gone, and the connection is reset.
        await app.told.wait()
    with pytest.raises(trio.BrokenResourceError):
        await client.rest()


@pytest.mark.parametrize("head", [UPGRADE, EVENT_GET], ids=["upgrade", "event stream"])
async def test_what_would_last_is_refused_once_the_server_drains(nursery: trio.Nursery, head: bytes) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    await client.send(head[:20])
    await trio.testing.wait_all_tasks_blocked(0.005)
    await server.http.drain()
    await client.send(head[20:])
    assert (await client.reply()).status == 503
    assert await client.rest() == b""
    assert server.handlers.heads == []


async def test_draining_closes_idle_connections_and_lets_answers_finish(nursery: trio.Nursery) -> None:
    app = Stages()
    server = await start_server(nursery, PATIENT, app)
    busy, idle, silent = await server.connect(), await server.connect(), await server.connect()
    app.go_on.set()
    assert (await idle.get()).body == b"first second"
    app.go_on, app.started = trio.Event(), trio.Event()
    await busy.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    with trio.fail_after(10):
        await app.started.wait()
    server.listener.stop_accepting()
    assert server.listener.addresses == ()
    await server.http.drain()
    assert await idle.rest() == b""
    assert await silent.rest() == b""
    app.go_on.set()
    assert (await busy.reply()).body == b"first second"
    assert await busy.rest() == b""


async def test_who_comes_while_the_server_drains_is_not_kept(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, PATIENT)
    await server.http.drain()
    silent = await server.connect()
    assert await silent.rest() == b""


async def test_the_application_is_started_and_shut_down() -> None:
    app = Stages()
    async with trio.open_nursery() as nursery:
        await start_server(nursery, app=app)
        assert app.lifespan == ["lifespan.startup"]
        nursery.cancel_scope.cancel()
    assert app.lifespan == ["lifespan.startup", "lifespan.shutdown"]


async def test_an_application_that_cannot_start_fails_the_start() -> None:
    async def broken(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as nursery:
            await start_server(nursery, app=broken)
    assert "no database" in repr(caught.value)


async def test_a_client_that_leaves_is_told_to_the_application(nursery: trio.Nursery) -> None:
    app = Stages(endless=True)
    server = await start_server(nursery, app=app)
    client = await server.connect()
    await client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    await client.exactly(10)
    await client.close()
    with trio.fail_after(10):
        await app.told.wait()
