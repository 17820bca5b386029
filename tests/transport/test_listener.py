"""Accepting: limits, counts, and what must not end it."""

from __future__ import annotations

import errno
import logging
import socket

import msgspec
import pytest
import trio

from tests.transport.server import OPTIONS, SWITCHING, start_server
from tests.transport.test_keep_alive import UPGRADE
from transport.listener_options import Bind


async def test_a_connection_over_the_limit_gets_503(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, max_connections=1, retry_after_seconds=1.5))
    first = await server.connect()
    assert (await first.get()).status == 200
    second = await server.connect()
    reply = await second.get()
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")
    assert msgspec.json.decode(reply.body)["error"]["code"] == "BUSY"
    assert await second.rest() == b""
    statistics = server.listener.statistics()
    assert (statistics.accepted, statistics.open, statistics.refused) == (1, 1, 1)
    assert (await first.get()).status == 200


async def test_a_place_is_free_again_once_a_connection_ended(nursery: trio.Nursery) -> None:
    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, max_connections=1))
    first = await server.connect()
    await first.get(headers="Connection: close\r\n")
    assert await first.rest() == b""
    await first.close()
    with trio.fail_after(10):
        while server.listener.statistics().open:
            await trio.lowlevel.checkpoint()
    assert (await (await server.connect()).get()).status == 200


async def test_what_is_accepted_inherits_a_small_send_buffer_and_no_delay(nursery: trio.Nursery) -> None:
    accepted: list[socket.socket] = []

    def accept(listening: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        sock, address = listening.accept()
        accepted.append(sock)
        return sock, address

    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, send_buffer_bytes=8192), accept=accept)
    client = await server.connect()
    assert (await client.get()).status == 200
    assert 8192 <= accepted[0].getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 8192
    assert accepted[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS])
async def test_accepting_survives_a_lack_of_descriptors(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    failures = [OSError(code, "no more"), OSError(code, "still none")]

    def accept(listening: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        if failures:
            raise failures.pop()
        return listening.accept()

    server = await start_server(nursery, accept=accept)
    assert (await (await server.connect()).get()).status == 200
    assert server.listener.statistics().accept_errors == 2
    assert len([record for record in caplog.records if record.name == "callboard.listener"]) == 1


async def test_accepting_survives_a_connection_that_is_gone(nursery: trio.Nursery) -> None:
    failures: list[OSError] = [ConnectionAbortedError(errno.ECONNABORTED, "gone"), BlockingIOError()]

    def accept(listening: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        if failures:
            raise failures.pop()
        return listening.accept()

    server = await start_server(nursery, accept=accept)
    assert (await (await server.connect()).get()).status == 200
    assert server.listener.statistics().accept_errors == 0


async def test_any_other_error_of_accept_is_a_crash() -> None:
    def accept(listening: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        raise OSError(errno.EINVAL, "not listening")

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            server = await start_server(nursery, accept=accept)
            await server.connect()
            await trio.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert caught.group_contains(OSError, match="not listening")


async def test_an_error_of_a_handler_ends_only_its_connection(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    server = await start_server(nursery)
    healthy = await server.connect()
    await healthy.send(UPGRADE)
    assert await healthy.exactly(len(SWITCHING)) == SWITCHING
    crashing = await server.connect()
    await crashing.send(UPGRADE.replace(b"/ws", b"/crash"))
    with pytest.raises(trio.BrokenResourceError):
        await crashing.rest()
    assert server.listener.statistics().crashed == 1
    assert [record.levelno for record in caplog.records if "failed" in record.message] == [logging.ERROR]
    await healthy.send(b"alive")
    assert await healthy.exactly(5) == b"alive"


async def test_two_addresses_at_once(nursery: trio.Nursery) -> None:
    binds = (Bind(port=0), Bind(port=0))
    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, binds=binds))
    (_, one), (_, two) = server.listener.addresses
    assert one != two
    for port in (one, two):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(UPGRADE)
            assert await stream.receive_some(len(SWITCHING)) == SWITCHING


async def test_an_address_in_use_fails_the_start(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    taken = Bind(port=server.listener.addresses[0][1])
    free = Bind(port=0)
    with pytest.raises(ExceptionGroup) as caught:
        async with trio.open_nursery() as other:
            await start_server(other, msgspec.structs.replace(OPTIONS, binds=(free, taken)))
    assert caught.group_contains(OSError, match="in use")


async def test_no_connection_is_accepted_after_a_stop(nursery: trio.Nursery) -> None:
    server = await start_server(nursery)
    client = await server.connect()
    assert (await client.get()).status == 200
    host, port = server.listener.addresses[0]
    server.listener.stop_accepting()
    server.listener.stop_accepting()
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream(host, port)
    assert (await client.get()).status == 200


async def test_the_kernel_holds_as_much_for_a_client_as_the_options_say(nursery: trio.Nursery) -> None:
    accepted: list[socket.socket] = []

    def accept(listening: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
        sock, address = listening.accept()
        accepted.append(sock)
        return sock, address

    server = await start_server(nursery, msgspec.structs.replace(OPTIONS, send_buffer_bytes=20_000), accept=accept)
    assert (await (await server.connect()).get()).status == 200
    # Linux doubles what it is told, for its own book-keeping.
    assert [sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 20_000 for sock in accepted] in ([1], [2])
