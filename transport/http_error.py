"""A whole HTTP/1.1 error reply, for where there is no HTTP server yet."""

from __future__ import annotations

from http import HTTPStatus
from math import ceil

import msgspec

from actors.errors import ErrorCode


class _Error(msgspec.Struct):
    code: ErrorCode
    message: str


class _Body(msgspec.Struct):
    error: _Error


def error_reply(status: HTTPStatus, code: ErrorCode, message: str, *, retry_after: float | None = None) -> bytes:
    """Status line, headers and the JSON body `{"error": {"code", "message"}}`; the connection closes after it.

    `retry_after` is in seconds.
    """
    body = msgspec.json.encode(_Body(_Error(code, message)))
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if retry_after is not None:
        lines.append(f"retry-after: {ceil(retry_after)}")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
