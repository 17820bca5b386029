"""The event stream parser, whatever the bytes and however they are split."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.models.sse import SseOverflow, SseParser

STREAM = (
    "\ufeffdata: one\n\n"
    ": keep-alive\n\n"
    "event: x\r\nid: 4\r\ndata: two\r\ndata:  three\r\n\r\n"
    "data\rdata:grün\r\r"
    "retry: 5\n\n"
    'data: {"a": "b: c"}\n\n'
    "data: unfinished\n"
).encode()
# A data field without a colon is an empty line of data.
EVENTS = ["one", "two\n three", "\ngrün", '{"a": "b: c"}']


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_the_split_does_not_matter(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    parser = SseParser()
    events = [event for start, end in pairwise(places) for event in parser.feed(STREAM[start:end])]
    assert events == EVENTS


def test_byte_by_byte() -> None:
    parser = SseParser()
    assert [event for byte in STREAM for event in parser.feed(bytes([byte]))] == EVENTS


def test_bad_utf8_is_replaced() -> None:
    assert SseParser().feed(b"data: a\xffb\n\n") == ["a\ufffdb"]


@pytest.mark.parametrize("piece", [b"x", b"data: xyz\n", b"data: xxxxxxx"])
def test_an_endless_event_is_refused(piece: bytes) -> None:
    parser = SseParser(limit=1000)
    for _ in range(900 // len(piece)):
        parser.feed(piece)
    with pytest.raises(SseOverflow, match="1000 bytes"):
        parser.feed(piece * 200)


def test_keep_alives_may_go_on_for_hours() -> None:
    parser = SseParser(limit=1000)
    for _ in range(10_000):
        assert parser.feed(b": ping\n") == []
    assert parser.feed(b"data: still here\n\n") == ["still here"]
