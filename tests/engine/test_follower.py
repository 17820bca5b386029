"""Following an event stream over drops, refusals and answers that ask for patience."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard_client import Backoff
from engine.error_answer import error_message
from engine.follower import Follower, Refusal
from tests.engine.scripted_server import block

STREAM = {"content-type": "text/event-stream"}


class Chunks(httpx2.SyncByteStream):
    """A body in given pieces, which then ends or breaks."""

    def __init__(self, *chunks: bytes, broken: bool = False) -> None:
        self._chunks = chunks
        self._broken = broken

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        if self._broken:
            raise httpx2.ReadError("connection reset")


class Scene:
    """A follower before scripted answers, its waits and its remarks noted and not lived through."""

    def __init__(self, *answers: httpx2.Response | httpx2.TransportError, since: str | None = None) -> None:
        self.requests: list[httpx2.Request] = []
        self.slept: list[float] = []
        self.remarks: list[str] = []
        self._answers = iter(answers)
        client = httpx2.Client(transport=httpx2.MockTransport(self._answer), base_url="http://test")
        self.follower = Follower(
            client,
            "events",
            since=since,
            on_drop=lambda reason, _seconds: self.remarks.append(reason),
            backoff=Backoff(uniform=lambda _low, high: high),
            sleep=self.slept.append,
        )

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = next(self._answers)
        if isinstance(answer, httpx2.TransportError):
            raise answer
        return answer

    def take(self, count: int) -> list[tuple[str, str]]:
        return [(event.id, event.data) for event in islice(self.follower.events(), count)]

    def resumed_from(self) -> list[tuple[str | None, str | None]]:
        return [(r.headers.get("last-event-id"), r.url.params.get("since")) for r in self.requests]


def stream(*chunks: bytes, broken: bool = False) -> httpx2.Response:
    return httpx2.Response(200, headers=STREAM, stream=Chunks(*chunks, broken=broken))


def error(status: int, message: str = "no", **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"code": "C", "message": message}}, headers=headers)


def test_a_stream_is_resumed_after_the_last_whole_event() -> None:
    half = b"event: x\nid: e:3\ndata: 3"
    scene = Scene(
        stream(block("subscribed", b"{}", "e:1"), block("x", b"2", "e:2"), half, broken=True),
        stream(block("x", b"3", "e:3")),
        stream(block("x", b"4", "e:4")),
        since="e:1",
    )
    assert scene.take(4) == [("e:1", "{}"), ("e:2", "2"), ("e:3", "3"), ("e:4", "4")]
    assert scene.resumed_from() == [(None, "e:1"), ("e:2", None), ("e:3", None)]
    assert scene.remarks == ["connection reset", "the server ended the stream"]


def test_comments_and_blocks_without_data_are_no_events() -> None:
    scene = Scene(stream(b": alive\n\nid: e:7\n\nretry: 5\n\n", block("x", b"8", "e:8")))
    assert scene.take(1) == [("e:8", "8")]


def test_waits_double_up_to_a_ceiling_and_an_event_resets_them() -> None:
    failures = [httpx2.ConnectError("refused") for _ in range(8)]
    scene = Scene(*failures, stream(block("x", b"1", "e:1")), stream(block("x", b"2", "e:2")))
    scene.take(2)
    assert scene.slept == [0.5, 1, 2, 4, 8, 16, 30, 30, 0.5]


def test_a_busy_server_is_given_the_time_it_asks_for() -> None:
    busy = [
        error(429, "slow down", **{"retry-after": "7"}),
        error(503, **{"retry-after": "Fri, 01 Jan 2027 00:00:00 GMT"}),
    ]
    scene = Scene(*busy, httpx2.Response(502, text="<html>"), stream(block("x", b"1", "e:1")))
    assert scene.take(1) == [("e:1", "1")]
    assert scene.slept == [7, 1, 2]
    assert scene.remarks == ["C: slow down", "C: no", "HTTP 502 Bad Gateway from http://test/events"]


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_ends_it(status: int) -> None:
    scene = Scene(error(status, "not yours"))
    with pytest.raises(Refusal, match=r"^C: not yours$"):
        scene.take(1)
    assert not scene.slept


def test_an_answer_that_is_no_event_stream_is_tried_again() -> None:
    scene = Scene(httpx2.Response(200, text="hello"), stream(block("x", b"1", "e:1")))
    assert scene.take(1) == [("e:1", "1")]
    assert "text/event-stream" in scene.remarks[0]


def test_an_error_message_shows_no_query() -> None:
    request = httpx2.Request("GET", "http://test/x?access_token=abc")
    assert error_message(httpx2.Response(500, text="{", request=request)) == (
        "HTTP 500 Internal Server Error from http://test/x"
    )


TEXTS = st.text(st.characters(exclude_characters="\r\n\x00", exclude_categories=["Cs"]), min_size=1, max_size=20)
NewLine = Callable[[bytes], bytes]


@given(st.lists(TEXTS, min_size=1, max_size=5), st.sampled_from([b"\n", b"\r\n"]), st.data())
def test_events_are_the_same_however_the_bytes_are_split(texts: list[str], line: bytes, data: st.DataObject) -> None:
    whole = b"".join(block("x", f'"{text}"'.encode(), f"e:{n}") for n, text in enumerate(texts)).replace(b"\n", line)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(whole)), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    scene = Scene(stream(*pieces))
    assert scene.take(len(texts)) == [(f"e:{n}", f'"{text}"') for n, text in enumerate(texts)]
