"""An event stream over HTTP/1.1: its form, where it begins, and how it ends."""

from __future__ import annotations

import msgspec
import pytest
import trio
import trio.testing

from actors.commands import Publish
from actors.errors import CloseCode
from actors.event import ChannelKey, Json, Merge, draft
from actors.outbox import OutboxOptions
from actors.retention import Retention
from tests.support.event_stream import StreamClient
from tests.support.gateway import Gateway, running_gateway
from tests.support.world import PUBLISHER, Limits
from tests.transport.agents import AGENTS
from tests.transport.bystander import LISTENER, disturbed_gateway
from transport.client_services import ClientOptions

PATH = "/api/v1/channels/app/news/events"
ALICE = {"authorization": "Bearer alice"}
TOPIC = ChannelKey("app", "news")
IMPATIENT = ClientOptions(auth_required=True, close_seconds=0.2, outbox=OutboxOptions(stall_seconds=5))
SMALL_BUFFERS = msgspec.structs.replace(LISTENER, send_buffer_bytes=4096)


async def connect(gateway: Gateway, receive_buffer: int | None = None) -> StreamClient:
    sock = trio.socket.socket()
    if receive_buffer is not None:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
    await sock.connect(("127.0.0.1", gateway.port))
    return StreamClient(trio.SocketStream(sock))


async def publish(gateway: Gateway, *data: Json, event_type: str = "number") -> str:
    """Publishes each; the result is the topic's epoch."""
    for one in data:
        await gateway.world.router.publish(PUBLISHER, Publish("app", "news", draft(event_type, one)))
    return gateway.world.channels.log(TOPIC).epoch


async def test_a_stream_is_in_chunks_of_whole_blocks(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        epoch = await publish(gateway, "before")
        await client.get(PATH, ALICE)
        assert client.status == 200
        assert client.headers == {
            "content-type": "text/event-stream; charset=utf-8",
            "cache-control": "no-cache, no-transform",
            "x-accel-buffering": "no",
            "transfer-encoding": "chunked",
            "connection": "close",
        }
        first = await client.event()
        assert (first.event, first.id, first.fields["retry"]) == ("subscribed", f"{epoch}:1", "3000")
        told = {"channel": "app", "topic": "news", "position": f"{epoch}:1", "recovered": True}
        assert first.payload == told
        await publish(gateway, {"text": "one\ntwo"}, None)
        second, third = await client.event(), await client.event()
        assert (second.event, second.id, second.data) == ("number", f"{epoch}:2", {"text": "one\ntwo"})
        assert third.id == f"{epoch}:3"
        assert third.payload.keys() == {"channel", "topic", "event_type", "data", "offset", "epoch", "timestamp"}


@pytest.mark.parametrize(
    ("query", "header", "expected"),
    [
        ("?since=0", None, [1, 2, 3]),
        ("?since={epoch}:2", None, [3]),
        ("?since=0", "{epoch}:1", [2, 3]),
        ("?since={epoch}:2", "0", [1, 2, 3]),
        ("?since=0", "", [1, 2, 3]),
        ("?since={epoch}%3A2", None, [3]),
        ("", "{epoch}:0", [1, 2, 3]),
    ],
)
async def test_where_a_stream_begins(
    caplog: pytest.LogCaptureFixture, query: str, header: str | None, expected: list[int]
) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        epoch = await publish(gateway, 1, 2, 3)
        again = {} if header is None else {"last-event-id": header.format(epoch=epoch)}
        await client.get(PATH + query.format(epoch=epoch), ALICE | again)
        first = await client.event()
        assert first.id == f"{epoch}:{expected[0] - 1}"
        assert [(await client.event()).data for _ in expected] == expected


@pytest.mark.parametrize(
    ("since", "gap", "rest"),
    [
        ("{epoch}:1", {"from": 2, "to": 3, "reason": "retention"}, [4, 5]),
        ("anotherlife:9", {"from": 1, "to": 3, "reason": "epoch"}, [4, 5]),
        ("{epoch}:9", {"from": 6, "to": 9, "reason": "future"}, []),
    ],
)
async def test_a_gap_is_an_event(
    caplog: pytest.LogCaptureFixture, since: str, gap: dict[str, Json], rest: list[int]
) -> None:
    limits = Limits(retention={"app": Retention(events=2)})
    async with disturbed_gateway(caplog, limits=limits) as gateway, await connect(gateway) as client:
        epoch = await publish(gateway, 1, 2, 3, 4, 5)
        await client.get(PATH, ALICE | {"last-event-id": since.format(epoch=epoch)})
        assert (await client.event()).payload["recovered"] is False
        told = await client.event()
        assert (told.event, told.data) == ("gap", gap)
        assert [(await client.event()).data for _ in rest] == rest


async def test_an_event_named_error_goes_unnamed(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        await client.get(PATH, ALICE)
        await client.event()
        await publish(gateway, "oh", event_type="error")
        block = await client.event()
        assert "event" not in block.fields
        assert block.payload["event_type"] == "error"


async def test_a_quiet_stream_gets_a_comment_now_and_then() -> None:
    async with running_gateway(AGENTS) as gateway, await connect(gateway) as client:
        await client.get(PATH, ALICE)
        await client.event()
        # However many go unanswered: a stream's client has nothing to answer with.
        for beat in range(1, 5):
            await gateway.world.connections.round(trio.current_time() + beat * 60, 0)
            comment = await client.event()
            assert (comment.comments, comment.fields) == (["heartbeat"], {})


async def test_one_who_lags_gets_fewer_events_and_every_token() -> None:
    async with running_gateway(AGENTS, listener_options=SMALL_BUFFERS) as gateway:
        async with await connect(gateway, receive_buffer=4096) as client:
            await client.get(PATH, ALICE)
            await client.event()
            tokens = [f"{number} " + "x" * 200 for number in range(2000)]
            for token in tokens:
                drafted = draft("agent.message", {"content": token}, merge=Merge.TEXT)
                await gateway.world.channels.publish(TOPIC, drafted)
            seen: list[str] = []
            offset = 0
            while offset < len(tokens):
                block = await client.event()
                assert block.payload.get("from", block.payload["offset"]) == offset + 1
                offset = block.payload["offset"]
                seen.append(block.payload["data"]["content"])
            assert "".join(seen) == "".join(tokens)
            assert len(seen) < len(tokens)
        await gateway.settled()


async def test_a_stream_that_the_server_closes_ends_with_the_last_chunk() -> None:
    async with running_gateway(AGENTS, options=IMPATIENT, listener_options=LISTENER) as gateway:
        async with await connect(gateway) as client:
            await client.get(PATH, ALICE)
            await client.event()
            gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
            assert await client.block() is None
            assert await client.stream.receive_some() == b""
        await gateway.settled()


async def test_one_who_reads_nothing_does_not_hold_up_a_stop() -> None:
    async with (
        running_gateway(AGENTS, options=IMPATIENT, listener_options=SMALL_BUFFERS) as gateway,
        await connect(gateway, receive_buffer=4096) as client,
    ):
        await client.get(PATH, ALICE)
        with trio.fail_after(10):
            while not gateway.world.connections.statistics().lagging:
                await publish(gateway, "x" * 60_000)
        gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
        await gateway.settled()


@pytest.mark.parametrize("reset", [False, True])
async def test_nothing_is_left_of_one_who_goes(caplog: pytest.LogCaptureFixture, reset: bool) -> None:
    async with disturbed_gateway(caplog) as gateway:
        client = await connect(gateway)
        await client.get(PATH, ALICE)
        await client.event()
        assert isinstance(client.stream, trio.SocketStream)
        if reset:
            client.stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        await client.aclose()
        await publish(gateway, 1, 2, 3)


async def test_what_a_client_sends_on_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        await client.get(PATH, ALICE)
        await client.event()
        await client.stream.send_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n" + b"\x00" * 100_000)
        await publish(gateway, 1)
        assert (await client.event()).data == 1


async def test_a_credential_that_runs_out_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, await connect(gateway) as client:
        await client.get(PATH, {"authorization": "Bearer alice@1000"})
        await client.event()
        await gateway.world.connections.round(trio.current_time(), 1000.0)
        assert await client.block() is None
