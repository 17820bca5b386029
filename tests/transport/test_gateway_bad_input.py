"""Bad requests on a good socket: each gets its one answer, and the socket stays open."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors.commands import CreateTask, Publish
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, draft
from actors.retention import Retention
from tests.support.gateway import Gateway
from tests.support.gateway_client import Client
from tests.support.raw_websocket import RawWebSocket, text_frame
from tests.support.world import ALICE, BOB, PUBLISHER, Limits
from tests.transport.bystander import disturbed_gateway
from transport.client_services import ClientOptions

TOPIC = ChannelKey("app", "news")


async def publish(gateway: Gateway, count: int) -> str:
    """Publishes so many numbers to a topic; the result is its epoch."""
    for number in range(1, count + 1):
        await gateway.world.router.publish(PUBLISHER, Publish("app", "news", draft("number", number)))
    return gateway.world.channels.log(TOPIC).epoch


async def subscribe(client: Client, since: object) -> dict[str, Any]:
    reply = await client.request("subscribe", {"channel": "app", "topics": ["news"], "since": {"news": since}})
    assert reply["type"] == "subscribed", reply
    payload: dict[str, Any] = reply["payload"]
    return payload


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "INVALID_JSON"),
        ("{not json", "INVALID_JSON"),
        ("[" * 5000, "INVALID_JSON"),
        ("7", "INVALID_PAYLOAD"),
        ("{}", "INVALID_PAYLOAD"),
        ('{"type":["ping"]}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe"}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":7}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":"task","topics":[7]}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":"app","topics":["a b\\n"]}}', "INVALID_PAYLOAD"),
        ('{"type":"subscribe","payload":{"channel":"weather"}}', "INVALID_CHANNEL"),
        ('{"type":"unsubscribe","payload":{"channel":"weather"}}', "INVALID_CHANNEL"),
        ('{"type":"subscribe","payload":{"channel":"system","topics":["stats"]}}', "FORBIDDEN"),
        ('{"type":"subscribe","payload":{"channel":"system","topics":["nothing"]}}', "NOT_FOUND"),
        ('{"type":"dance"}', "UNKNOWN_TYPE"),
        ('{"type":"session.exec","payload":{"session_id":"none","command":"ls"}}', "NOT_FOUND"),
    ],
)
async def test_a_bad_message_gets_an_error_and_the_socket_stays_open(
    caplog: pytest.LogCaptureFixture, text: str, code: str
) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        await client.send(text)
        reply = await client.receive()
        assert (reply["type"], reply["payload"]["code"]) == ("error", code)
        assert reply["payload"]["message"]
        assert (await client.request("ping"))["type"] == "pong"


async def test_a_task_of_somebody_else_is_not_there(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        task_id = (await gateway.world.router.create_task(BOB, CreateTask(agent="sleeper", prompt="zz"))).id
        for topic in (task_id, "task-that-never-was"):
            reply = await client.request("subscribe", {"channel": "task", "topics": [topic]})
            assert reply["payload"]["code"] == "NOT_FOUND"
            for action in ("cancel", "append_turn", "confirm"):
                data = {"append_turn": "more", "confirm": {"step_id": "s", "approved": True}}.get(action)
                reply = await client.request("task.action", {"task_id": topic, "action": action, "data": data})
                assert reply["type"] == "task.result"
                assert (reply["payload"]["success"], reply["payload"]["code"]) == (False, "NOT_FOUND")
        assert not gateway.world.tasks.find(BOB, task_id).record.is_ending


async def test_an_unknown_action_and_an_unknown_agent_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        reply = await client.request("task.action", {"task_id": "t", "action": "explode"})
        assert (reply["payload"]["success"], reply["payload"]["code"]) == (False, "INVALID_PAYLOAD")
        made = {"action": "create", "data": {"agent": "nobody", "prompt": "hi"}}
        reply = await client.request("task.action", made)
        assert (reply["payload"]["success"], reply["payload"]["code"]) == (False, "NOT_FOUND")


async def test_an_expired_token_is_refused_and_a_good_one_taken_after_it(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client() as client:
        for token in ("expired", "", "nobody"):
            reply = await client.request("auth", {"token": token})
            assert reply["type"] == "auth.result"
            assert reply["payload"]["success"] is False
        assert (await client.request("subscribe", {"channel": "task"}))["payload"]["code"] == "UNAUTHORIZED"
        await client.login("alice")
        # One more that fails takes nothing away.
        assert (await client.request("auth", {"token": "expired"}))["payload"]["success"] is False
        assert (await client.request("subscribe", {"channel": "task"}))["type"] == "subscribed"


async def test_publishing_needs_the_scope(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        await client.request("subscribe", {"channel": "app", "topics": ["news"]})
        with pytest.raises(CallboardError) as refused:
            await gateway.world.router.publish(ALICE, Publish("app", "news", draft("number", 1)))
        assert refused.value.code is ErrorCode.FORBIDDEN
        await publish(gateway, 1)
        assert (await client.event())["data"] == 1


async def test_a_cursor_older_than_the_retention_is_told_the_gap_and_gets_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = Limits(retention={"app": Retention(events=3)})
    async with disturbed_gateway(caplog, limits=limits) as gateway, gateway.client("alice") as client:
        epoch = await publish(gateway, 10)
        reply = await subscribe(client, f"{epoch}:2")
        assert reply["recovered"] is False
        assert reply["positions"]["news"] == {"epoch": epoch, "offset": 7, "recovered": False}
        gap, *rest = [await client.event() for _ in range(4)]
        assert (gap["event_type"], gap["data"]) == ("gap", {"from": 3, "to": 7, "reason": "retention"})
        assert [(event["offset"], event["data"]) for event in rest] == [(8, 8), (9, 9), (10, 10)]


async def test_a_cursor_of_another_epoch_gets_all_there_is(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        await publish(gateway, 3)
        assert (await subscribe(client, {"epoch": "anotherlife", "offset": 2}))["recovered"] is False
        gap, *rest = [await client.event() for _ in range(4)]
        assert (gap["event_type"], gap["data"]["reason"]) == ("gap", "epoch")
        assert [event["data"] for event in rest] == [1, 2, 3]


async def test_a_cursor_from_the_future_goes_on_with_what_comes(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        epoch = await publish(gateway, 3)
        reply = await subscribe(client, {"epoch": epoch, "offset": 10**18 - 1})
        assert reply["positions"]["news"] == {"epoch": epoch, "offset": 3, "recovered": False}
        gap = await client.event()
        assert (gap["event_type"], gap["data"]) == ("gap", {"from": 4, "to": 10**18 - 1, "reason": "future"})
        await publish(gateway, 1)
        assert (await client.event())["offset"] == 4


@pytest.mark.parametrize("since", ["", ":", "e", "e:", ":1", "e:-1", "e:1:1", "e:" + "9" * 19, "e\n:1", 0, None, []])
async def test_a_cursor_that_is_none_is_refused(caplog: pytest.LogCaptureFixture, since: object) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        reply = await client.request("subscribe", {"channel": "app", "topics": ["news"], "since": {"news": since}})
        assert reply["payload"]["code"] == "INVALID_PAYLOAD"
        assert gateway.world.channels.statistics().subscriptions == 0


async def test_a_refused_subscription_subscribes_to_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with disturbed_gateway(caplog) as gateway, gateway.client("alice") as client:
        mine = (await gateway.world.router.create_task(ALICE, CreateTask(agent="sleeper", prompt="zz"))).id
        reply = await client.request("subscribe", {"channel": "task", "topics": [mine, "not-mine"]})
        assert reply["payload"]["code"] == "NOT_FOUND"
        assert gateway.world.channels.statistics().subscriptions == 0


async def test_more_subscriptions_than_allowed_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    options = ClientOptions(auth_required=True, subscriptions=2)
    async with disturbed_gateway(caplog, options) as gateway, gateway.client("alice") as client:
        reply = await client.request("subscribe", {"channel": "app", "topics": ["a", "b", "c"]})
        assert reply["payload"]["code"] == "RATE_LIMITED"
        assert (await client.request("subscribe", {"channel": "app", "topics": ["a", "b"]}))["type"] == "subscribed"


async def test_frames_that_are_no_requests_count_against_the_rate(caplog: pytest.LogCaptureFixture) -> None:
    options = ClientOptions(auth_required=True, commands_per_second=0.001, commands_burst=3)
    async with disturbed_gateway(caplog, options) as gateway, await RawWebSocket.open(gateway.port) as client:
        await client.send(b"".join(text_frame(text) for text in ("{", "[]", "{}", "{", '{"id":5}')))
        codes = [(await client.reply())["payload"]["code"] for _ in range(4)]
        assert codes == ["INVALID_JSON", "INVALID_PAYLOAD", "INVALID_PAYLOAD", "RATE_LIMITED"]
        last = await client.reply()
        assert (last["id"], last["payload"]["code"]) == (5, "RATE_LIMITED")
        assert last["payload"]["retry_after_ms"] > 0


async def test_messages_pipelined_in_one_packet_are_answered_in_order(caplog: pytest.LogCaptureFixture) -> None:
    options = ClientOptions(auth_required=True, commands_burst=1000)
    async with disturbed_gateway(caplog, options) as gateway, await RawWebSocket.open(gateway.port) as client:
        with trio.fail_after(10):
            await client.send(b"".join(text_frame({"id": number, "type": "ping"}) for number in range(500)))
            assert [(await client.reply())["id"] for _ in range(500)] == list(range(500))
