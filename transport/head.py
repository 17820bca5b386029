"""The first lines of an HTTP/1.1 request, read within a limit and a deadline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import msgspec
import trio

from transport.byte_stream import ByteStream

HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

# Every head that this matches h11 takes too (RFC 9112, as strict as it can be read: one line a header, no control
# characters). No quantifier gives back what it has taken: the time is linear whatever comes.
_PLAIN_GET = re.compile(r"GET (/[!-~]*+) HTTP/1\.1\r\n((?:[-!#$%&'*+.^_`|~0-9A-Za-z]++:[\t -~\x80-\xff]*+\r\n)++)\r\n")
_FIELD = re.compile(r"([^:]++):[ \t]*+([^\r]*+)\r\n")
"""A line of what that has matched."""
_END = b"\r\n\r\n"
_BLANK_LINE = re.compile(rb"\n\r?\n")
# None of these may stand in a head. h11 says so too, after going back and forth over the blanks in front of one: for
# 16 KiB of them that takes a second, in which the whole process stands still.
_FORBIDDEN = re.compile(rb"[\0\x0b\x0c]|\r(?!\n)")


class RequestHead(msgspec.Struct, frozen=True):
    """Request line and headers. `raw` is exactly what was read, for a parser that wants to read it again."""

    method: str
    target: str
    """As sent: `/a%20b?c=d`, `*`, or absolute."""
    path: str
    """Percent-decoded, without the query."""
    query_string: str
    http_version: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case, values as Latin-1 text, in the order sent."""
    raw: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header, by its lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def header_values(self, name: str) -> Iterator[str]:
        """Every value of a header, in the order sent."""
        return (value for key, value in self.headers if key == name)

    def header_has(self, name: str, token: str) -> bool:
        """Whether a comma-separated header names `token` (lower case)."""
        for key, value in self.headers:
            if key == name and token in [part.strip() for part in value.lower().split(",")]:
                return True
        return False

    def query(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return next(iter(self.query_values(name)), None)

    def query_values(self, name: str) -> list[str]:
        """Every value of a query parameter, percent-decoded, in the order sent."""
        return [value for key, value in parse_qsl(self.query_string, keep_blank_values=True) if key == name]

    @property
    def content_length(self) -> int | None:
        """How long the body says it is; None without one, or where it comes in chunks."""
        value = self.header("content-length")
        return None if value is None else int(value)

    @property
    def wants_websocket(self) -> bool:
        """Whether this is a WebSocket upgrade."""
        return (
            self.method == "GET"
            and self.header_has("upgrade", "websocket")
            and self.header_has("connection", "upgrade")
        )


class Http2Preface(msgspec.Struct, frozen=True):
    """The client speaks HTTP/2 without TLS. Its preface is still on the stream."""


class EndOfStream(msgspec.Struct, frozen=True):
    """The client left between two requests."""


class HeadFault(Enum):
    """What is wrong with a head."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    TIMEOUT = "timeout"
    TRUNCATED = "truncated"


class BadHead(msgspec.Struct, frozen=True):
    """No request could be read, and none can be from here on. `message` is for the client."""

    fault: HeadFault
    message: str


Head: TypeAlias = RequestHead | Http2Preface | EndOfStream | BadHead


async def read_head(stream: ByteStream, max_bytes: int, seconds: float, begun: bytes = b"") -> Head:
    """Reads one head, of which `begun` was read already. What came behind it goes back to the stream.

    Raises nothing of its own. Returns without a checkpoint where `begun` holds the whole head.
    """
    if (plain := plain_get(begun[:max_bytes])) is not None:
        stream.unread(begun[len(plain.raw) :])
        return plain
    reader = _HeadReader(max_bytes)
    # Mostly that is all of it, and no deadline is needed.
    if begun and (head := reader.feed(begun)) is not None:
        stream.unread(reader.behind)
        return head
    with trio.move_on_after(seconds):
        while True:
            try:
                data = await stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if (head := reader.feed(data)) is not None:
                stream.unread(reader.behind)
                return head
    return BadHead(HeadFault.TIMEOUT, f"The request head did not arrive within {seconds:g} seconds.")


def plain_get(data: bytes) -> RequestHead | None:
    """What nearly every head of a WebSocket or an event stream is: a GET without a body, in one piece.

    The parser would say the same in ten times the time. All that is less plain, and all that is wrong, is left to it.
    """
    end = data.find(_END) + len(_END)
    if end < len(_END) or (match := _PLAIN_GET.fullmatch(data[:end].decode("latin-1"))) is None:
        return None
    target, lines = match.groups()
    headers = tuple([(name.lower(), value.rstrip(" \t")) for name, value in _FIELD.findall(lines)])
    names = [name for name, _ in headers]
    if names.count("host") != 1 or "content-length" in names or "transfer-encoding" in names:
        return None
    path, query_string = _split_target(target)
    return RequestHead("GET", target, path, query_string, "1.1", headers, data[:end])


class _HeadReader:
    """Turns chunks, however they are cut, into a head. After it, `behind` is what did not belong to it."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=max_bytes)
        self._raw = bytearray()
        self._parsed = 0
        self.behind = b""

    def feed(self, data: bytes) -> Head | None:
        """The next chunk, `b""` at the end of the stream. None while the head is incomplete."""
        if not data:
            return BadHead(HeadFault.TRUNCATED, "The request head is incomplete.") if self._raw else EndOfStream()
        # RFC 9112 section 2.2: an empty line in front of a request is skipped.
        self._raw += data if self._raw else data.lstrip(b"\r\n")
        if HTTP2_PREFACE.startswith(self._raw[: len(HTTP2_PREFACE)]):
            if len(self._raw) < len(HTTP2_PREFACE):
                return None
            self.behind = bytes(self._raw)
            return Http2Preface()
        return self._parse()

    def _parse(self) -> RequestHead | BadHead | None:
        end = _BLANK_LINE.search(self._raw)
        if end is not None and _FORBIDDEN.search(self._raw, 0, end.end()):
            return BadHead(HeadFault.MALFORMED, "Not an HTTP request: its head has control characters.")
        self._parser.receive_data(bytes(self._raw[self._parsed :]))
        self._parsed = len(self._raw)
        try:
            event = self._parser.next_event()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == 431:
                return self._too_large()
            return BadHead(HeadFault.MALFORMED, f"Not an HTTP request: {error}.")
        if not isinstance(event, h11.Request):
            return None
        self.behind = self._parser.trailing_data[0]
        raw = bytes(self._raw[: len(self._raw) - len(self.behind)])
        # The parser limits only what it has to keep waiting for: a head that came in one piece passes it.
        return self._too_large() if len(raw) > self._max_bytes else _request_head(event, raw)

    def _too_large(self) -> BadHead:
        return BadHead(HeadFault.TOO_LARGE, f"The request head exceeds {self._max_bytes} bytes.")


def _request_head(request: h11.Request, raw: bytes) -> RequestHead | BadHead:
    # RFC 9112 section 6.1: two lengths are how a request is smuggled past a proxy that believes the other one.
    if {b"content-length", b"transfer-encoding"} <= {name for name, _ in request.headers}:
        return BadHead(
            HeadFault.MALFORMED, "Not an HTTP request: Content-Length and Transfer-Encoding exclude each other."
        )
    target = request.target.decode("ascii")
    try:
        path, query_string = _split_target(target)
    except ValueError:
        return BadHead(HeadFault.MALFORMED, "The request target is neither a path nor a URL.")
    return RequestHead(
        method=request.method.decode("ascii"),
        target=target,
        path=path,
        query_string=query_string,
        http_version=request.http_version.decode("ascii"),
        headers=tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers),
        raw=raw,
    )


def _split_target(target: str) -> tuple[str, str]:
    """Path and query of a target. Raises ValueError."""
    if target.startswith("/"):
        path, _, query_string = target.partition("?")
        return unquote(path), query_string
    if target == "*":
        return target, ""
    url = urlsplit(target)
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise ValueError(target)
    return unquote(url.path) or "/", url.query
