"""Reading one request head, whatever comes and however it is cut."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.transport.scripted_stream import ScriptedStream, cut
from transport.head import HTTP2_PREFACE, BadHead, EndOfStream, Head, HeadFault, Http2Preface, RequestHead, read_head

LIMIT = 400
VALID = (
    b"GET /a%20b/%C3%A4?x=1&y=a%26b&x=2&empty= HTTP/1.1\r\nHost: test\r\nX-Twice: one\r\nx-twice: two, Three\r\n"
    b"Content-Length: 7\r\n\r\n"
)
CUTS = st.lists(st.integers(0, LIMIT * 2), max_size=6)


async def read(chunks: Iterable[bytes], end: bytes | Exception | None = b"") -> tuple[Head, ScriptedStream]:
    stream = ScriptedStream(chunks, end)
    return await read_head(stream, LIMIT, 10), stream


def read_now(data: bytes, cuts: Iterable[int]) -> tuple[Head, bytes]:
    async def run() -> tuple[Head, bytes]:
        head, stream = await read(cut(data, cuts))
        return head, await stream.remainder()

    return trio.run(run)


@given(cuts=CUTS, behind=st.binary(max_size=50))
def test_a_head_is_read_the_same_however_it_is_cut(cuts: list[int], behind: bytes) -> None:
    head, rest = read_now(VALID + behind, cuts)
    assert isinstance(head, RequestHead)
    assert (head.raw, rest) == (VALID, behind)
    assert (head.method, head.path, head.http_version) == ("GET", "/a b/ä", "1.1")
    assert (head.query("x"), head.query_values("x"), head.query("y")) == ("1", ["1", "2"], "a&b")
    assert (head.query("empty"), head.query("none")) == ("", None)
    assert (head.header("x-twice"), head.header("none")) == ("one", None)
    assert list(head.header_values("x-twice")) == ["one", "two, Three"]
    assert head.header_has("x-twice", "three")
    assert not head.header_has("x-twice", "four")
    assert head.content_length == 7


PARTS = st.sampled_from(
    [b"GET / HTTP/1.1", b"\r\n", b"\n", b": ", b"Host: x", b"Content-Length: 1", b"x" * 300, b"PRI * HTTP/2.0", b"SM"]
)


@given(data=st.one_of(st.binary(max_size=600), st.lists(PARTS, max_size=12).map(b"".join)), cuts=CUTS)
def test_any_bytes_give_a_head_or_one_typed_fault(data: bytes, cuts: list[int]) -> None:
    head, rest = read_now(data, cuts)
    match head:
        case RequestHead():
            assert len(head.raw) <= LIMIT
            assert (head.raw + rest).endswith(data.lstrip(b"\r\n"))
        case Http2Preface():
            assert rest.startswith(HTTP2_PREFACE)
        case EndOfStream():
            assert data.strip(b"\r\n") == b""
        case BadHead():
            assert head.fault is not HeadFault.TIMEOUT
            assert head.message


@given(cuts=CUTS)
def test_the_preface_of_http2_stays_on_the_stream(cuts: list[int]) -> None:
    assert read_now(HTTP2_PREFACE + b"frames", cuts) == (Http2Preface(), HTTP2_PREFACE + b"frames")


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/?", "/", ""),
        ("http://host:80/a%2Fb?c#d", "/a/b", "c"),
        ("https://host", "/", ""),
        ("*", "*", ""),
    ],
)
async def test_forms_of_a_target(target: str, path: str, query: str) -> None:
    head, _ = await read([f"OPTIONS {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode()])
    assert isinstance(head, RequestHead)
    assert (head.target, head.path, head.query_string) == (target, path, query)


async def test_an_empty_line_in_front_is_skipped() -> None:
    head, _ = await read([b"\r\n", VALID])
    assert isinstance(head, RequestHead)
    assert head.raw == VALID


@pytest.mark.parametrize("cuts", [[], range(0, 2 * LIMIT, 10)], ids=["at once", "in pieces"])
@pytest.mark.parametrize(("size", "fault"), [(LIMIT, None), (LIMIT + 1, HeadFault.TOO_LARGE)])
async def test_the_limit_counts_every_byte(size: int, fault: HeadFault | None, cuts: Iterable[int]) -> None:
    start = b"GET / HTTP/1.1\r\nHost: test\r\nX: "
    head, _ = await read(cut(start + b"x" * (size - len(start) - 4) + b"\r\n\r\n", cuts))
    assert (head.fault if isinstance(head, BadHead) else None) == fault


@pytest.mark.parametrize("error", [trio.BrokenResourceError(), trio.ClosedResourceError()])
async def test_a_connection_that_breaks_ends(error: Exception) -> None:
    assert (await read([], error))[0] == EndOfStream()
    head, _ = await read([VALID[:20]], error)
    assert isinstance(head, BadHead)
    assert head.fault is HeadFault.TRUNCATED


async def test_half_a_head_waits_until_the_deadline(autojump_clock: MockClock) -> None:
    head, _ = await read([VALID[:20]], None)
    assert isinstance(head, BadHead)
    assert head.fault is HeadFault.TIMEOUT
    assert trio.current_time() == 10


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("Connection: Upgrade\r\nUpgrade: websocket", True),
        ("Connection: keep-alive, upgrade\r\nUpgrade: WebSocket", True),
        ("Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket", True),
        ("Connection: keep-alive\r\nUpgrade: websocket", False),
        ("Connection: Upgrade\r\nUpgrade: h2c", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_counts_as_a_websocket_upgrade(method: str, lines: str, wanted: bool) -> None:
    head, _ = await read([f"{method} / HTTP/1.1\r\nHost: test\r\n{lines}\r\n\r\n".encode()])
    assert isinstance(head, RequestHead)
    assert head.wants_websocket == (wanted and method == "GET")
