"""Frames of the wallet dialect: what is read, what is answered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.event import ChannelKey, Event, Merge
from tests.transport.json_values import proper_values
from tests.transport.read_frame import read_frame
from transport.dialects import wallet, wallet_frames

FEED = ChannelKey("feed", "wallet", "w")


def answer(text: str) -> dict[str, Any]:
    """The reply to a frame, whatever is in it."""
    try:
        return read_frame(wallet_frames.pong(wallet.decode(text)))
    except wallet.RefusedError as refused:
        return read_frame(wallet_frames.error_frame(refused.named, refused.error))


@given(st.text(st.characters()))
@example("\ud800")
@example('{"type":"\\ud800"}')
@example("null")
@example("[" * 100_000)
@example('{"type":"ping"} {}')
def test_any_text_is_answered_once(text: str) -> None:
    reply = answer(text)
    assert reply["type"] in ("pong", "error")
    assert reply["type"] == "pong" or reply["message"]


@given(st.dictionaries(st.sampled_from(["type", "timestamp", "id", "request_id"]), proper_values | st.just("ping")))
def test_any_object_is_answered_under_its_name(frame: dict[str, Any]) -> None:
    reply = answer(json.dumps(frame))
    assert (reply["type"] == "pong") == (frame.get("type") == "ping")
    for name in ("id", "request_id"):
        named = frame.get(name)
        kept = named if isinstance(named, str | int | float) and not isinstance(named, bool) else None
        assert reply.get(name) == kept


@pytest.mark.parametrize(
    "timestamp",
    [
        "1.0",
        "-0",
        "0.10",
        "1E400",
        "9" * 5000,
        '"2024-01-01T00:00:00Z"',
        "null",
        "true",
        '[1, {"a":2.50}]',
        '"\\u00e9"',
    ],
)
def test_a_timestamp_comes_back_as_it_was_written(timestamp: str) -> None:
    ping = wallet.decode(f'{{"type": "ping", "timestamp": {timestamp}}}')
    frame = wallet_frames.pong(ping)
    assert frame.endswith(b'{"type":"pong","timestamp":' + timestamp.encode() + b"}")


def test_a_ping_without_a_timestamp_is_answered() -> None:
    assert answer('{"type":"ping","id":7}') == {"type": "pong", "timestamp": None, "id": 7}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[]", "a message is a JSON object"),
        ("{}", "a message needs a string `type`"),
        ('{"type":5}', "a message needs a string `type`"),
        ('{"type":"subscribe"}', "unknown message type: subscribe"),
    ],
)
def test_every_kind_of_refusal(text: str, message: str) -> None:
    reply = answer(text)
    assert reply["type"] == "error"
    assert message in reply["message"]


def test_the_greeting_is_the_seeds() -> None:
    assert read_frame(wallet_frames.established("W")) == {
        "type": "connection_established",
        "message": "WebSocket连接已成功建立",
        "wallet_address": "W",
    }


def event(kind: str, body: bytes) -> Event:
    return Event(FEED, "e", 1, 1, kind, body, Merge.NEVER, "", 0)


def test_events_are_messages_or_left_out() -> None:
    encoder = wallet_frames.WalletEncoder()
    for kind in ("new_message", "task_update"):
        assert read_frame(encoder.encode(event(kind, b'{"type":"x"}'))) == {"type": "x"}
    assert encoder.encode(event("something.else", b"{}")) == b""


def test_what_is_no_longer_kept_is_told() -> None:
    gap = event("gap", b'{"from":3,"to":7,"reason":"retention"}')
    told = read_frame(wallet_frames.WalletEncoder().encode(gap))
    assert (told["type"], told["missed"]) == ("error", 5)
