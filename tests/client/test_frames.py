"""The client's codec against the server's own: what one says the other understands, and nonsense is one error."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.commands import AppendTurn, CancelTask, ConfirmStep, CreateTask, ExecSession
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Json, Merge
from actors.event import Event as LoggedEvent
from actors.position import Position as ServerPosition
from actors.principal import Principal
from callboard_client import Event, Gap, NotUnderstood, Position, RequestRefused
from callboard_client.frames import ExecStarted, Reply, ServerFrame, Welcome, decode, encode_request, read
from transport.dialects import gateway, gateway_replies
from transport.dialects.gateway_events import GatewayPayload

JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def payload_of(frame: bytes) -> str:
    """The text in a short server's frame."""
    length = frame[1]
    start = 2 if length < 126 else 4 if length == 126 else 10
    return frame[start:].decode()


def pushed(event: LoggedEvent) -> ServerFrame:
    return decode(b'{"type":"event","payload":%b,"timestamp":1}' % GatewayPayload().encode(event))


@given(JSON, st.integers(1, 10**6), st.integers(0, 5))
def test_events_are_what_the_server_has_logged(data: Json, offset: int, merged: int) -> None:
    key = ChannelKey("task", "task-1", "alice")
    first = max(1, offset - merged)
    logged = LoggedEvent(key, "ep", offset, first, "my.type", orjson.dumps(data), Merge.NEVER, "", 17)
    assert pushed(logged) == Event(
        channel="task",
        topic="task-1",
        event_type="my.type",
        data=data,
        position=Position("ep", offset),
        first=first,
        timestamp=17,
    )


def test_a_gap_is_typed() -> None:
    body = b'{"from":3,"to":8,"reason":"retention"}'
    logged = LoggedEvent(ChannelKey("app", "news"), "ep", 8, 8, "gap", body, Merge.NEVER, "", 17)
    assert pushed(logged) == Gap(
        channel="app", topic="news", first=3, last=8, reason="retention", position=Position("ep", 8)
    )


def test_an_event_that_only_calls_itself_a_gap_is_an_event() -> None:
    logged = LoggedEvent(ChannelKey("app", "news"), "ep", 8, 8, "gap", b'{"width":3}', Merge.NEVER, "", 17)
    told = pushed(logged)
    assert isinstance(told, Event)
    assert told.data == {"width": 3}


@given(st.text(max_size=20), st.text(max_size=20))
def test_requests_are_what_the_server_reads(first: str, second: str) -> None:
    def sent(kind: str, payload: dict[str, object]) -> gateway.Command:
        request = gateway.decode(encode_request("r1", kind, payload))
        assert request.id == "r1"
        return request.command

    def action(name: str, task_id: str = "t", data: object = None) -> object:
        command = sent("task.action", {"task_id": task_id, "action": name, "data": data})
        assert isinstance(command, gateway.TaskAction)
        return command.command

    assert sent("ping", {}) == gateway.Ping()
    assert sent("auth", {"token": first, "device_id": second}) == gateway.Auth(first, second)
    assert sent("subscribe", {"channel": "task", "topics": ["a"], "since": {"a": "e:4"}}) == gateway.Subscribe(
        "task", ("a",), {"a": ServerPosition("e", 4)}
    )
    assert sent("session.exec", {"session_id": first, "command": second}) == ExecSession(first, second)
    assert action("cancel") == CancelTask("t")
    assert action("append_turn", data=first) == AppendTurn("t", first)
    assert action("confirm", data={"step_id": first, "approved": False}) == ConfirmStep("t", first, False)
    new = {"agent": first, "prompt": second, "session_id": None, "context": {"a": 1}}
    assert action("create", "", new) == CreateTask(agent=first, prompt=second, context={"a": 1})


def test_replies_are_typed() -> None:
    started = decode(payload_of(gateway_replies.exec_started("r1", "s", "x")))
    assert isinstance(started, Reply)
    assert (started.id, read(started, ExecStarted)) == ("r1", ExecStarted("s", "x"))
    welcome = decode(payload_of(gateway_replies.auth_result("r2", Principal("alice"), "d")))
    assert isinstance(welcome, Reply)
    assert read(welcome, Welcome) == Welcome(True, "alice", "d")
    unwelcome = decode(payload_of(gateway_replies.auth_failed("r2", "no")))
    assert isinstance(unwelcome, Reply)
    assert read(unwelcome, Welcome) == Welcome(False, message="no")
    busy = CallboardError(ErrorCode.RATE_LIMITED, "slow", retry_after=1.5)
    refused = decode(payload_of(gateway_replies.error_frame("r3", busy)))
    assert isinstance(refused, Reply)
    with pytest.raises(RequestRefused, match="RATE_LIMITED: slow") as told:
        read(refused, ExecStarted)
    assert told.value.retry_after == 1.5


@given(st.binary(max_size=60) | st.text(max_size=60) | JSON.map(lambda data: orjson.dumps(data).decode()))
def test_nonsense_is_one_error(frame: bytes | str) -> None:
    try:
        decoded = decode(frame)
    except NotUnderstood:
        return
    assert isinstance(decoded, Reply)


@pytest.mark.parametrize("payload", ["{}", "[]", '{"success": true}', '{"positions": 3}'])
def test_an_answer_of_another_form(payload: str) -> None:
    def answer() -> ExecStarted:
        reply = decode(f'{{"id": "r1", "type": "session.output", "payload": {payload}}}')
        assert isinstance(reply, Reply)
        return read(reply, ExecStarted)

    with pytest.raises(NotUnderstood):
        answer()


@pytest.mark.parametrize("text", ["", "e", "e:", ":1", "e:1:2", "e:-1", "e 1", "0"])
def test_a_position_has_one_form(text: str) -> None:
    assert Position.parse("e-1:20") == Position("e-1", 20)
    with pytest.raises(ValueError, match="<epoch>:<offset>"):
        Position.parse(text)
