"""What one request's handler receives, and when."""

from __future__ import annotations

import pytest
import trio
import trio.testing
from hypercorn.typing import ASGIReceiveEvent, ASGISendCallable, Scope

from tests.transport.server import start_server
from transport.asgi_request import Inbox

BODY: ASGIReceiveEvent = {"type": "http.request", "body": b"part", "more_body": True}
LEFT: ASGIReceiveEvent = {"type": "http.disconnect"}


async def test_a_disconnect_does_not_wait_for_room_and_comes_last() -> None:
    inbox = Inbox(2)
    for message in (BODY, BODY, LEFT, BODY):
        await inbox.put(message)
    received = [await inbox.get() for _ in range(4)]
    assert received == [BODY, BODY, LEFT, LEFT]


async def test_a_disconnect_is_handed_over_without_a_checkpoint() -> None:
    with trio.testing.assert_no_checkpoints():
        await Inbox(1).put(LEFT)


async def test_who_feeds_a_handler_that_has_ended_is_let_go() -> None:
    inbox = Inbox(1)
    await inbox.put(BODY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(inbox.put, BODY)
        await trio.testing.wait_all_tasks_blocked()
        inbox.close()
    await inbox.put(BODY)


async def test_an_upload_that_the_handler_ignores_ends_with_its_answer(nursery: trio.Nursery) -> None:
    async def ignore(scope: Scope, receive: object, send: ASGISendCallable) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok", "more_body": False})

    server = await start_server(nursery, app=ignore)
    client = await server.connect()
    chunk = b"1\r\nx\r\n"
    await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 1000)
    assert (await client.reply()).body == b"ok"
    assert await client.rest() == b""


async def test_a_handler_that_fails_before_its_answer_is_a_500(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(scope: Scope, receive: object, send: ASGISendCallable) -> None:
        raise ValueError("of no value")

    server = await start_server(nursery, app=fail)
    caplog.clear()
    client = await server.connect()
    assert (await client.get()).status == 500
    assert await client.rest() == b""
    assert [record.name for record in caplog.records] == ["callboard.http"]
    assert server.listener.statistics().crashed == 0
