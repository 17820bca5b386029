from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from actors.event import ChannelKey, Event, Json, Merge, draft
from actors.log import Log
from actors.position import Position
from actors.retention import Retention
from transport.dialects.gateway_events import GatewayPayload, SseEncoder, sse_greeting

KEY = ChannelKey("task", "task-1", "alice")

json_values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def event_of(event_type: str, data: Json) -> Event:
    return Log(KEY, Retention(), epoch="e1").append(draft(event_type, data, timestamp=17))


@given(json_values)
def test_a_payload_is_json_with_the_data_as_it_was(data: Json) -> None:
    assert json.loads(GatewayPayload().encode(event_of("agent.message", data))) == {
        "channel": "task",
        "topic": "task-1",
        "event_type": "agent.message",
        "data": data,
        "offset": 1,
        "epoch": "e1",
        "timestamp": 17,
    }


def test_a_merged_event_says_from_where() -> None:
    merged = Event(KEY, "e1", 9, 4, "step.progress", b"{}", Merge.LAST, "", 0)
    assert json.loads(GatewayPayload().encode(merged))["from"] == 4


def test_the_owner_of_a_topic_is_not_told() -> None:
    assert b"alice" not in GatewayPayload().encode(event_of("x", None))


def test_more_topics_than_are_kept_stay_right() -> None:
    payload = GatewayPayload()
    for number in range(5000):
        event = Event(ChannelKey("app", f"t{number}"), "e", 1, 1, "x", b"1", Merge.NEVER, "", 0)
        assert json.loads(payload.encode(event))["topic"] == f"t{number}"


@given(json_values)
def test_a_block_has_one_line_of_each_field(data: Json) -> None:
    block = SseEncoder(GatewayPayload()).encode(event_of("agent.message", data))
    event, position, payload, *end = block.split(b"\n")
    assert (event, position, end) == (b"event: agent.message", b"id: e1:1", [b"", b""])
    assert json.loads(payload.removeprefix(b"data: "))["data"] == data


def test_an_event_named_error_goes_unnamed() -> None:
    block = SseEncoder(GatewayPayload()).encode(event_of("error", {"message": "no"}))
    assert block.startswith(b"id: e1:1\ndata: ")


def test_the_greeting_carries_the_position() -> None:
    block = sse_greeting(KEY, Position("e1", 3), recovered=False).decode()
    head, data = block.removesuffix("\n\n").split("\ndata: ")
    assert head == "event: subscribed\nid: e1:3\nretry: 3000"
    assert json.loads(data) == {"channel": "task", "topic": "task-1", "position": "e1:3", "recovered": False}
