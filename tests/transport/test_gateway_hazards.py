"""Clients that vanish, flood, stop reading, or speak while the connection closes: each is its own problem alone."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
import trio
import trio.testing
from wsproto.events import Ping, TextMessage
from wsproto.frame_protocol import Opcode

from actors.commands import CreateTask, Publish
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.event import draft
from actors.outbox import OutboxOptions
from actors.principal import Principal
from tests.support.gateway import Gateway, running_gateway
from tests.support.raw_websocket import PING, RawWebSocket, frame, text_frame
from tests.support.world import ALICE, PUBLISHER
from tests.transport.agents import AGENTS
from tests.transport.bystander import LISTENER, disturbed_gateway
from transport.gateway_services import GatewayOptions

IMPATIENT = GatewayOptions(
    auth_required=True,
    close_seconds=0.2,
    commands_per_second=1e6,
    commands_burst=1e6,
    outbox=OutboxOptions(replies_bytes=4096, stall_seconds=0.3),
)
SUBSCRIBE = {"type": "subscribe", "payload": {"channel": "app", "topics": ["news"]}}
SMALL_BUFFERS = msgspec.structs.replace(LISTENER, send_buffer_bytes=4096)


async def publish(gateway: Gateway, size: int = 10) -> None:
    await gateway.world.router.publish(PUBLISHER, Publish("app", "news", draft("number", "x" * size)))


async def watcher(gateway: Gateway, receive_buffer: int | None = None) -> RawWebSocket:
    client = await RawWebSocket.open(gateway.port, receive_buffer=receive_buffer)
    await client.login("alice")
    assert (await client.request(SUBSCRIBE))["type"] == "subscribed"
    return client


async def make_lag(gateway: Gateway) -> None:
    """Publishes until a connection is not written to at once any more."""
    with trio.fail_after(10):
        while not gateway.world.connections.statistics().lagging:
            await publish(gateway, 60_000)


async def flood(client: RawWebSocket, data: bytes) -> None:
    """Sends, and reads nothing, until the server has had enough."""
    with trio.fail_after(10), suppress(trio.BrokenResourceError):
        while True:
            await client.stream.send_all(data)


async def test_a_client_that_is_reset_amid_commands(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog, IMPATIENT) as gateway:
        client = await watcher(gateway)
        make = {"type": "task.action", "payload": {"action": "create", "data": {"agent": "echo", "prompt": "hi"}}}
        await client.send(text_frame(make) * 50)
        await client.reset()


async def test_a_client_that_is_reset_amid_a_fan_out(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog, IMPATIENT) as gateway, gateway.client("alice") as other:
        await other.request("subscribe", SUBSCRIBE["payload"])
        clients = [await watcher(gateway) for _ in range(5)]
        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(client.reset)
            for _ in range(20):
                await publish(gateway, 5000)
        assert [(await other.event())["offset"] for _ in range(20)] == list(range(1, 21))


async def test_a_client_that_is_reset_while_it_lags(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog, IMPATIENT) as gateway:
        client = await watcher(gateway, receive_buffer=4096)
        await make_lag(gateway)
        await client.reset()


async def test_commands_sent_before_the_end_of_the_stream_are_carried_out(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog, IMPATIENT) as gateway, await watcher(gateway) as client:
        await client.send(text_frame({"id": 1, "type": "ping"}) * 3)
        await client.stream.send_eof()
        assert [(await client.reply())["id"] for _ in range(3)] == [1, 1, 1]
        assert await client.next() is None


async def test_a_client_that_floods_commands_and_reads_nothing_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        disturbed_gateway(caplog, IMPATIENT) as gateway,
        await RawWebSocket.open(gateway.port, receive_buffer=4096) as client,
    ):
        await flood(client, text_frame({"id": "x" * 2000, "type": "ping"}) * 100)


async def test_pings_are_answered_behind_a_full_queue_of_messages(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog, IMPATIENT) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send(text_frame({"id": 1, "type": "ping"}) * 200 + PING)
        assert await client.pong() == b"hello"


async def test_a_flood_of_pings_by_one_who_reads_nothing_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        disturbed_gateway(caplog, IMPATIENT) as gateway,
        await RawWebSocket.open(gateway.port, receive_buffer=4096) as client,
    ):
        await flood(client, frame(Opcode.PING, b"x" * 125) * 1000)


async def test_a_ping_during_the_close_is_contained() -> None:
    async with running_gateway(AGENTS, options=IMPATIENT, listener_options=LISTENER) as gateway:
        async with await watcher(gateway) as client:
            gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
            await client.send(PING + text_frame({"type": "ping"}) + PING)
            assert await client.closing() == 1012
        await gateway.settled()


async def test_one_who_never_answers_the_close_frame_is_waited_for_so_long() -> None:
    async with (
        running_gateway(AGENTS, options=IMPATIENT, listener_options=LISTENER) as gateway,
        await watcher(gateway) as client,
    ):
        gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
        assert await client.closing() == 1012
        await gateway.settled()


async def test_one_who_reads_nothing_does_not_hold_up_a_stop() -> None:
    async with (
        running_gateway(AGENTS, options=IMPATIENT, listener_options=SMALL_BUFFERS) as gateway,
        await watcher(gateway, receive_buffer=4096) as client,
    ):
        await make_lag(gateway)
        gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
        await gateway.settled()
        assert await client.closing() == 1006


async def test_one_who_lags_and_closes_gets_its_answer(caplog: pytest.LogCaptureFixture) -> None:
    patient = msgspec.structs.replace(IMPATIENT, close_seconds=5)
    async with disturbed_gateway(caplog, patient) as gateway, await watcher(gateway, receive_buffer=4096) as client:
        await make_lag(gateway)
        await client.send(frame(Opcode.CLOSE, (1000).to_bytes(2, "big")))
        assert await client.closing() == 1000


async def test_one_who_lags_is_replaced_in_good_order(caplog: pytest.LogCaptureFixture) -> None:
    patient = msgspec.structs.replace(IMPATIENT, close_seconds=5)
    async with disturbed_gateway(caplog, patient) as gateway:
        older = await RawWebSocket.open(gateway.port, receive_buffer=4096)
        auth = {"type": "auth", "payload": {"token": "alice", "device_id": "phone"}}
        await older.request(auth)
        await older.request(SUBSCRIBE)
        await make_lag(gateway)
        async with gateway.client("alice", "phone") as newer:
            assert await older.closing() == 4409
            await older.aclose()
            assert (await newer.request("ping"))["type"] == "pong"


class SlowVerifier:
    """Verifies once it is told to."""

    def __init__(self) -> None:
        self.asked = trio.Event()
        self.go_on = trio.Event()

    async def verify(self, token: str) -> Principal:
        self.asked.set()
        await self.go_on.wait()
        raise CallboardError(ErrorCode.UNAUTHORIZED, "late, and no")


@pytest.mark.parametrize("in_time", [True, False])
async def test_a_command_under_way_is_answered_before_the_close_if_it_can_be(
    monkeypatch: pytest.MonkeyPatch, in_time: bool
) -> None:
    async with running_gateway(AGENTS, options=IMPATIENT, listener_options=LISTENER) as gateway:
        slow = SlowVerifier()
        monkeypatch.setattr(gateway.verifier, "verify", slow.verify)
        async with await RawWebSocket.open(gateway.port) as client:
            await client.send(text_frame({"id": 7, "type": "auth", "payload": {"token": "alice"}}))
            await client.send(text_frame({"id": 8, "type": "ping"}))
            with trio.fail_after(10):
                await slow.asked.wait()
            gateway.world.connections.close_all(CloseCode.RESTARTING, "the server restarts")
            if in_time:
                slow.go_on.set()
                assert (await client.reply())["id"] == 7
            assert await client.closing() == 1012
            await gateway.settled()


async def test_slow_work_of_a_client_does_not_delay_its_pong(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog, IMPATIENT) as gateway, await watcher(gateway) as client:
        for agent in ("sleeper", "asking"):
            data = {"agent": agent, "prompt": "hi"}
            made = await client.request({"type": "task.action", "payload": {"action": "create", "data": data}})
            assert made["payload"]["success"]
        await client.send(PING)
        assert await client.pong() == b"hello"


async def test_a_ping_behind_a_slow_command_is_answered_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_gateway(AGENTS, options=IMPATIENT, listener_options=LISTENER) as gateway:
        slow = SlowVerifier()
        monkeypatch.setattr(gateway.verifier, "verify", slow.verify)
        async with await RawWebSocket.open(gateway.port) as client:
            await client.send(text_frame({"id": 7, "type": "auth", "payload": {"token": "alice"}}) + PING)
            with trio.fail_after(10):
                await slow.asked.wait()
            slow.go_on.set()
            assert (await client.reply())["id"] == 7
            assert await client.pong() == b"hello"


async def test_who_is_not_read_during_a_command_is_not_given_up_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_gateway(AGENTS, options=IMPATIENT, listener_options=LISTENER) as gateway:
        slow = SlowVerifier()
        monkeypatch.setattr(gateway.verifier, "verify", slow.verify)
        async with await RawWebSocket.open(gateway.port) as client:
            await client.send(text_frame({"id": 7, "type": "auth", "payload": {"token": "alice"}}))
            with trio.fail_after(10):
                await slow.asked.wait()
            for minute in range(5):
                await gateway.world.connections.round(trio.current_time() + 60 * minute, 0.0)
            slow.go_on.set()
            # It was pinged all the same.
            while isinstance(event := await client.next(), Ping):
                pass
            assert isinstance(event, TextMessage)
            assert gateway.world.connections.statistics().silent_total == 0


async def test_the_first_reason_to_close_counts() -> None:
    async with running_gateway(AGENTS, options=IMPATIENT, listener_options=LISTENER) as gateway:
        async with await RawWebSocket.open(gateway.port) as client:
            with trio.fail_after(10):
                while not len(gateway.world.connections):
                    await trio.testing.wait_all_tasks_blocked()
            gateway.world.connections.close_all(CloseCode.UNAUTHORIZED, "first")
            gateway.world.connections.close_all(CloseCode.REPLACED, "second")
            assert await client.closing() == 4401
        await gateway.settled()


async def test_a_credential_that_runs_out_ends_what_follows_a_whole_channel(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice@1000") as client:
        await client.request("subscribe", {"channel": "task"})
        await client.request("subscribe", {"channel": "app"})
        await gateway.world.connections.round(trio.current_time(), 1000.0)
        await gateway.world.router.create_task(ALICE, CreateTask(agent="echo", prompt="hi"))
        await publish(gateway)
        with trio.fail_after(10):
            while client.socket.closed is None:
                await trio.testing.wait_all_tasks_blocked()
        assert client.socket.closed.code == 4401
        assert client.events == []


async def test_another_user_on_the_same_socket_starts_with_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        await client.request("subscribe", {"channel": "task"})
        await client.login("paul")
        await gateway.world.router.create_task(ALICE, CreateTask(agent="echo", prompt="hi"))
        assert (await client.request("ping"))["type"] == "pong"
        assert client.events == []


async def test_a_command_that_crashes_is_answered_and_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(token: str) -> Principal:
        raise RuntimeError("the store is on fire")

    async with running_gateway(AGENTS) as gateway, gateway.client("alice") as client:
        monkeypatch.setattr(gateway.verifier, "verify", crash)
        reply = await client.request("auth", {"token": "alice"})
        assert (reply["type"], reply["payload"]["code"]) == ("error", "EXEC_FAILED")
        assert "fire" not in reply["payload"]["message"]
        assert (await client.request("ping"))["type"] == "pong"
    assert [record.levelname for record in caplog.records if record.name == "callboard.gateway"] == ["ERROR"]
    assert "the store is on fire" in caplog.text
