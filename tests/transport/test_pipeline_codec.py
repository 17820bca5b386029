"""The pipeline's codec: whatever comes in is a request or one refusal, and whatever goes out is one text frame."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.admission import Admission
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, draft
from actors.log import Log
from actors.resumption import Resumption
from actors.retention import Retention
from tests.transport.json_values import json_values
from tests.transport.read_frame import read_frame
from transport.dialects import pipeline, pipeline_replies
from transport.dialects.pipeline import Authenticate, Chat, Disconnect, Ping, Read, Recall
from transport.dialects.pipeline_elements import Plain, decode_chain, encode_chain, text_of, without_base64
from transport.dialects.pipeline_replies import PUSHED, PipelineFrames

ROOM = ChannelKey("feed", "room.s1", "anonymous")

names = st.text(max_size=5) | st.integers(-(2**53), 2**53)
plain = st.fixed_dictionaries({"type": st.just("Plain"), "text": st.text(min_size=1)})
leaves = (
    plain
    | st.fixed_dictionaries({"type": st.just("At"), "target": names})
    | st.fixed_dictionaries({"type": st.sampled_from(["AtAll", "Image", "Voice", "Unknown", "Source"])})
    | st.fixed_dictionaries({"type": st.just("File"), "name": st.text(max_size=5)})
)
elements = st.recursive(
    leaves,
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("Quote"), "origin": st.lists(inner, max_size=3)})
        | st.fixed_dictionaries(
            {
                "type": st.just("Forward"),
                "node_list": st.lists(
                    st.fixed_dictionaries({"message_chain": st.lists(inner, max_size=2)}), max_size=2
                ),
            }
        )
    ),
    max_leaves=5,
)
kinds = st.sampled_from(["message", "ping", "disconnect", "authenticate", "recall", "read", "presence", "sing"])
members = {
    "id": json_values,
    "request_id": json_values,
    "message": st.lists(elements | json_values, max_size=4) | json_values,
    "stream": json_values,
    "token": st.text() | json_values,
    "message_id": st.integers() | json_values,
    "data": st.dictionaries(st.sampled_from(["message", "token", "message_id"]), json_values) | json_values,
}
frames = st.fixed_dictionaries({}, optional={"type": kinds | json_values, **members})


@given(st.text() | frames.map(json.dumps) | json_values.map(json.dumps))
@example("[" * 100_000)
@example('{"message":' + '[{"type":"Quote","origin":' * 2_000 + "[]" + "}]" * 2_000 + "}")
@example('{"id": 1e400, "type": "ping"}')
def test_any_text_is_a_request_or_one_refusal(text: str) -> None:
    try:
        request = pipeline.decode(text)
    except pipeline.RefusedError as refused:
        echo = refused.echo
        frame = read_frame(pipeline_replies.error_frame(echo, refused.error))
    else:
        echo = request.echo
        frame = read_frame(pipeline_replies.pong(echo))
    assert frame["type"] in ("error", "pong")
    assert frame.items() >= echo.items()


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (
            '{"type": "message", "message": [{"type": "Plain", "text": "你好，这是一条测试消息"}]}',
            Chat((Plain(text="你好，这是一条测试消息"),), stream=True),
        ),
        ('{"message": [{"type": "Plain", "text": "x"}], "stream": false}', Chat((Plain(text="x"),), stream=False)),
        ('{"type": "message", "data": {"message": [{"type": "Plain", "text": "x"}]}}', Chat((Plain(text="x"),), True)),
        ('{"type": "ping"}', Ping()),
        ('{"type": "disconnect"}', Disconnect()),
        ('{"type": "authenticate", "token": "ab_1"}', Authenticate("ab_1")),
        ('{"type": "recall", "message_id": 3}', Recall(3)),
        ('{"type": "read", "message_id": 3}', Read(3)),
    ],
)
def test_golden_requests(text: str, command: object) -> None:
    assert pipeline.decode(text) == pipeline.Request({}, command)  # type: ignore[arg-type]  # one of the commands


@pytest.mark.parametrize(
    ("chain", "text"),
    [
        ([{"type": "At", "target": 12, "display": "x"}, {"type": "Plain", "text": " hi"}], "@x hi"),
        ([{"type": "At", "target": "bob"}, {"type": "AtAll"}], "@bob@all"),
        ([{"type": "Image", "url": "/a"}, {"type": "Voice", "length": 2.5}], "[Image][Voice]"),
        ([{"type": "Source", "id": 1}, {"type": "File", "name": "plan.pdf"}], "[File]plan.pdf"),
        (
            [{"type": "Quote", "origin": [{"type": "Plain", "text": "q"}]}, {"type": "Unknown", "text": "?"}],
            "[Quote]q\n?",
        ),
        (
            [
                {
                    "type": "Forward",
                    "node_list": [{"sender_name": "bo", "message_chain": [{"type": "Plain", "text": "y"}]}],
                }
            ],
            "[Forward]\nbo: y",
        ),
    ],
)
def test_the_text_form_of_each_element(chain: list[Any], text: str) -> None:
    decoded = decode_chain(chain)
    assert text_of(decoded) == text
    assert encode_chain(decoded) == chain


@given(st.lists(elements, min_size=1, max_size=5))
def test_what_a_chain_is_kept_as_reads_back_as_itself(chain: list[Any]) -> None:
    try:
        decoded = decode_chain(chain)
    except CallboardError:
        return
    assert decode_chain(encode_chain(decoded)) == decoded


def test_bytes_in_a_chain_move_to_the_store_wherever_they_are() -> None:
    kept: list[tuple[bytes, str]] = []

    def store(data: bytes, name: str) -> str:
        kept.append((data, name))
        return f"/u/{len(kept)}"

    image = {"type": "Image", "base64": "aGk="}
    file = {"type": "File", "name": "f", "url": "data:text/plain;base64,aG8="}
    quote = {"type": "Quote", "origin": [image]}
    forward = {"type": "Forward", "node_list": [{"message_chain": [file]}]}
    moved = encode_chain(without_base64(decode_chain([image, quote, forward]), store))
    assert kept == [(b"hi", ""), (b"hi", ""), (b"ho", "f")]
    assert moved[0] == {"type": "Image", "url": "/u/1"}
    assert "base64" not in json.dumps(moved)


@pytest.mark.parametrize("media", [{"base64": "no!"}, {"url": "data:text/plain,hello"}])
def test_bytes_that_are_not_base64_are_refused(media: dict[str, str]) -> None:
    chain = decode_chain([{"type": "Image", **media}])
    with pytest.raises(CallboardError) as refused:
        without_base64(chain, lambda data, name: "")
    assert refused.value.code is ErrorCode.INVALID_PAYLOAD


@pytest.mark.parametrize(
    "url", ["", "/a/b.png", "https://example.org/a.png", "HTTP://example.org/", "data:x;base64,AA=="]
)
def test_addresses_of_files(url: str) -> None:
    (image,) = decode_chain([{"type": "Image", "url": url}])
    assert getattr(image, "url", None) == url


@pytest.mark.parametrize(
    "member",
    [
        {"url": "javascript:alert(1)"},
        {"url": " javascript:alert(1)"},
        {"url": "file:///etc/passwd"},
        {"url": "/a\njavascript:1"},
        {"url": "https://x/" + "A" * 5000},
        {"path": "data:image/png;base64,AAAA"},
        {"path": "A" * 5000},
    ],
)
def test_what_a_browser_would_run_and_hidden_bytes_are_refused(member: dict[str, str]) -> None:
    with pytest.raises(CallboardError) as refused:
        decode_chain([{"type": "File", "name": "a", **member}])
    assert refused.value.code is ErrorCode.INVALID_PAYLOAD


def test_bytes_in_an_address_are_found_however_it_is_written() -> None:
    (image,) = without_base64(
        decode_chain([{"type": "Image", "url": "DATA:image/png;BASE64,AAAA"}]), lambda *_: "/kept"
    )
    assert getattr(image, "url", None) == "/kept"


def test_the_greeting_is_the_seed_s() -> None:
    admission = Admission(ROOM, "e1", Resumption(7, None), (), named=True, live=True)
    frame = read_frame(
        pipeline_replies.connected("c1", "your-pipeline-uuid", "person", "s1", admission, ["ann"], {"id": 1})
    )
    assert frame.keys() >= {"type", "connection_id", "pipeline_uuid", "session_type", "timestamp"}
    assert (frame["position"], frame["session_id"], frame["online"], frame["id"]) == ("e1:7", "s1", ["ann"], 1)


@given(st.sampled_from(sorted(PUSHED)) | st.just("task.started"), st.dictionaries(st.text(max_size=5), json_values))
def test_every_event_is_one_frame_or_left_out(event_type: str, body: dict[str, Any]) -> None:
    log = Log(ROOM, Retention(), epoch="e1")
    try:
        event = log.append(draft(event_type, body))
    except CallboardError:
        return
    data = PipelineFrames().encode(event)
    if event_type not in PUSHED:
        assert data == b""
    else:
        assert read_frame(data)["position"] == "e1:1" or "position" in body


def test_a_time_is_iso_8601() -> None:
    assert pipeline_replies.iso(1_738_065_600_123) == "2025-01-28T12:00:00.123Z"
