"""The short way for plain heads says what h11 says, and leaves everything else to it."""

from __future__ import annotations

import time
from unittest.mock import patch

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from tests.transport.scripted_stream import ScriptedStream
from transport import head as head_module
from transport.head import BadHead, Head, HeadFault, RequestHead, read_head

LIMIT = 2000
UPGRADE = (
    b"GET /api/v1/gateway/ws?x=%20 HTTP/1.1\r\nHost: test:80\r\nUpgrade: websocket\r\nConnection: x, Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Empty:\r\nX-Spaced: \t a b \t \r\nX-Latin: \xe4\r\n\r\n"
)
STARTS = st.sampled_from(
    (
        b"GET / HTTP/1.1|GET /a%20b?c=d#e HTTP/1.1|GET / HTTP/1.0|get / HTTP/1.1|GET  / HTTP/1.1|GET /\xe4 HTTP/1.1|"
        b"GET * HTTP/1.1|GET http://x/ HTTP/1.1|GET / HTTP/1.1 |POST / HTTP/1.1"
    ).split(b"|")
)
NAMES = st.sampled_from(
    b"Host|host|X|X-Y|Content-Length|content-length|Transfer-Encoding|Expect|Upgrade|| X|X |X\tY|X\xe4|(|\0".split(b"|")
)
VALUES = st.one_of(
    st.sampled_from(b" test|| |\t a \t| 7| chunked| a:b| \xff| websocket|\x0b| \r".split(b"|")), st.binary(max_size=4)
)
ENDS = st.sampled_from([*[b"\r\n"] * 8, b"\n", b"\r\n ", b"\r\n\t", b"\r", b"\r\r\n"])
LINES = st.lists(st.tuples(NAMES, VALUES, ENDS).map(lambda line: line[0] + b":" + line[1] + line[2]), max_size=5)
HEADS = st.builds(
    lambda start, lines, behind: start + b"\r\nHost: test\r\n" + b"".join(lines) + b"\r\n" + behind,
    STARTS,
    LINES,
    st.sampled_from([b"", b"\x81\x00", b"GET / HTTP/1.1\r\n\r\n"]),
)


def read_now(data: bytes, *, limit: int = LIMIT) -> tuple[Head, bytes]:
    """As the edge reads: what came first is handed in."""

    async def run() -> tuple[Head, bytes]:
        stream = ScriptedStream([])
        return await read_head(stream, limit, 10, data), await stream.remainder()

    return trio.run(run)


def read_by_h11(data: bytes) -> tuple[Head, bytes]:
    with patch.object(head_module, "plain_get", lambda data: None):
        return read_now(data)


@example(data=UPGRADE)
@example(data=UPGRADE + b"behind")
@example(data=UPGRADE[:-2])
@example(data=b"\r\n" + UPGRADE)
@given(data=st.one_of(HEADS, st.binary(max_size=100).map(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n".__mod__)))
def test_it_says_what_h11_says(data: bytes) -> None:
    assert read_now(data) == read_by_h11(data)


def test_an_upgrade_does_not_pass_the_parser() -> None:
    with patch.object(head_module, "_HeadReader", side_effect=AssertionError("the parser was asked")):
        head, behind = read_now(UPGRADE + b"behind")
    assert isinstance(head, RequestHead)
    assert (head.raw, behind) == (UPGRADE, b"behind")


@pytest.mark.parametrize("line", [b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Host: another", b" folded"])
def test_what_is_not_plain_passes_the_parser(line: bytes) -> None:
    with (
        patch.object(head_module, "_HeadReader", side_effect=AssertionError("the parser was asked")),
        pytest.raises(AssertionError, match="was asked"),
    ):
        read_now(UPGRADE[:-2] + line + b"\r\n\r\n")


@pytest.mark.parametrize("behind", [b"", b"x" * 100])
def test_the_limit_holds(behind: bytes) -> None:
    head, rest = read_now(UPGRADE + behind, limit=len(UPGRADE))
    assert isinstance(head, RequestHead)
    assert rest == behind
    head, _ = read_now(UPGRADE + behind, limit=len(UPGRADE) - 1)
    assert isinstance(head, BadHead)
    assert head.fault is HeadFault.TOO_LARGE


@pytest.mark.parametrize(
    "middle",
    [
        b"X:" + b" " * 500_000 + b"\x00",
        b"x" * 500_000,
        b"a:\r\n" * 100_000 + b"\x00",
        b"x: " + b"\t " * 200_000 + b"\r",
    ],
)
def test_no_head_takes_more_than_linear_time(middle: bytes) -> None:
    """Half a megabyte: what goes back over it would take minutes."""
    data = b"GET / HTTP/1.1\r\nHost: x\r\n" + middle + b"\r\n\r\n"
    began = time.process_time()
    head, _ = read_now(data, limit=len(data))
    assert isinstance(head, BadHead)
    assert head.fault is HeadFault.MALFORMED
    assert time.process_time() - began < 10
