"""The stream over one socket: trio's contract, and the direct write."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
import trio
import trio.testing

from actors.sink import BrokenSink, Sink
from transport.socket_stream import SocketStream, tune

PEER = ("192.0.2.1", 1234)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a connection over loopback: as accepted, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        tune(listening, 16_384)
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
    return server, client


def stream_over(sock: socket.socket) -> SocketStream:
    return SocketStream(sock, PEER)


@pytest.fixture
async def pair() -> tuple[SocketStream, socket.socket]:
    server, client = tcp_pair()
    return stream_over(server), client


async def make_streams() -> tuple[SocketStream, SocketStream]:
    server, client = tcp_pair()
    return stream_over(server), stream_over(client)


async def make_clogged_streams() -> tuple[SocketStream, SocketStream]:
    """Not over TCP: its kernel side goes on moving bytes after the first write that would block."""
    left, right = socket.socketpair()
    streams = stream_over(left), stream_over(right)
    for stream in streams:
        with suppress(BlockingIOError):
            while stream.write_nowait(b"x" * 65_536):
                pass
    return streams


async def read_to_end(stream: SocketStream) -> None:
    while await stream.receive_some():
        pass


async def test_it_keeps_the_contract_of_a_trio_stream() -> None:
    await trio.testing.check_half_closeable_stream(make_streams, make_clogged_streams)


async def test_a_direct_write_takes_what_fits_and_then_nothing(pair: tuple[SocketStream, socket.socket]) -> None:
    stream, client = pair
    with client:
        sink: Sink = stream
        assert sink.direct
        data = memoryview(bytes(range(256)) * 40_000)
        taken = 0
        with suppress(BlockingIOError):
            while True:
                taken += sink.write_nowait(data[taken:])
        assert 0 < taken < len(data)
        client.settimeout(10)
        received = b""
        while len(received) < taken:
            received += client.recv(1_000_000)
        assert received == data[:taken]
        await stream.aclose()


async def test_the_kernel_holds_little_for_a_client_that_does_not_read() -> None:
    server, client = tcp_pair()
    with client:
        stream = stream_over(server)
        assert server.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 2 * 16_384
        assert server.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await stream.aclose()


async def test_what_has_come_already_is_there_without_waiting() -> None:
    server, client = tcp_pair()
    with client:
        stream = stream_over(server)
        assert stream.receive_nowait() is None
        client.sendall(b"data")
        with trio.fail_after(10):
            await trio.lowlevel.wait_readable(server)
        stream.unread(b"taken back ")
        assert stream.receive_nowait() == b"taken back "
        assert stream.receive_nowait() == b"data"
        assert stream.bytes_received == 4
        assert stream.receive_nowait() is None
        client.shutdown(socket.SHUT_WR)
        assert await stream.receive_some() == b""
        assert stream.receive_nowait() == b""
        await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            stream.receive_nowait()


async def test_reading_on_after_all_was_read_sees_what_comes_the_end_and_the_close(
    pair: tuple[SocketStream, socket.socket],
) -> None:
    stream, client = pair
    with client:
        for data in (b"one", b"two"):
            client.sendall(data)
            assert await stream.receive_some() == data
        client.shutdown(socket.SHUT_WR)
        assert await stream.receive_some() == b""
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()


async def test_a_client_that_has_finished_sending_reads_the_reply(pair: tuple[SocketStream, socket.socket]) -> None:
    stream, client = pair
    with client:
        client.shutdown(socket.SHUT_WR)
        assert await stream.receive_some() == b""
        await stream.send_all(b"reply")
        await stream.linger(10)
        assert client.recv(100) == b"reply"
        assert client.recv(100) == b""
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"more")


async def test_writing_to_a_peer_that_reset_raises(pair: tuple[SocketStream, socket.socket]) -> None:
    stream, client = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    with pytest.raises(OSError, match=r"reset|pipe|descriptor"):
        stream.write_nowait(b"x")
    with pytest.raises(BrokenSink):
        await stream.write_all(b"x")
    await stream.aclose()


async def test_abort_wakes_every_wait_and_may_be_repeated() -> None:
    stream, other = await make_streams()
    ended: list[str] = []

    async def read() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await read_to_end(stream)
        ended.append("read")

    async def write() -> None:
        with pytest.raises(BrokenSink):
            await stream.write_all(b"x" * 50_000_000)
        ended.append("write")

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(write)
            await trio.testing.wait_all_tasks_blocked()
            assert ended == []
            stream.abort()
            stream.abort()
    assert sorted(ended) == ["read", "write"]
    with pytest.raises(OSError, match=r"reset|pipe|descriptor"):
        stream.write_nowait(b"x")
    with pytest.raises(trio.ClosedResourceError):
        await stream.receive_some()
    # The kernel's buffer was discarded: the peer sees a reset, not an end after all the bytes.
    with pytest.raises(trio.BrokenResourceError):
        await read_to_end(other)
    await other.aclose()


async def test_bytes_taken_back_come_first(pair: tuple[SocketStream, socket.socket]) -> None:
    stream, client = pair
    with client:
        client.sendall(b"third")
        stream.unread(b"second ")
        stream.unread(b"first ")
        assert await stream.receive_some(3) == b"fir"
        assert await stream.receive_some() == b"st second "
        assert await stream.receive_some() == b"third"
        await stream.aclose()


async def test_it_knows_its_addresses_and_when_it_last_heard(
    pair: tuple[SocketStream, socket.socket], autojump_clock: trio.testing.MockClock
) -> None:
    stream, client = pair
    with client:
        autojump_clock.autojump_threshold = float("inf")
        accepted_at = stream.last_received
        autojump_clock.jump(30)
        stream.unread(b"not new")
        await stream.receive_some()
        assert stream.last_received == accepted_at
        client.sendall(b"news")
        await stream.receive_some()
        assert stream.last_received == accepted_at + 30
        assert stream.bytes_received == 4
        assert stream.peer == PEER
        assert stream.local == client.getpeername()
        await stream.aclose()
        with pytest.raises(trio.ClosedResourceError):
            _ = stream.local


async def test_a_lingering_close_lets_a_client_that_still_sends_read_the_reply(
    pair: tuple[SocketStream, socket.socket],
) -> None:
    stream, client = pair
    with client:
        client.sendall(b"x" * 200_000)
        await stream.send_all(b"reply")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.linger, 10)
            await trio.testing.wait_all_tasks_blocked()
            assert client.recv(100) == b"reply"
            assert client.recv(100) == b""
            client.close()
