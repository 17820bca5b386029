"""A whole HTTP/1.1 error reply, for where there is no HTTP server yet."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from math import ceil

import msgspec

from actors.errors import ErrorCode

_STATUS = {
    ErrorCode.INVALID_JSON: HTTPStatus.BAD_REQUEST,
    ErrorCode.INVALID_PAYLOAD: HTTPStatus.BAD_REQUEST,
    ErrorCode.INVALID_CHANNEL: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNKNOWN_TYPE: HTTPStatus.BAD_REQUEST,
    ErrorCode.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    ErrorCode.FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.EXEC_FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}


def http_status(code: ErrorCode) -> HTTPStatus:
    """The status under which an error of the table is told over HTTP."""
    return _STATUS[code]


class _Error(msgspec.Struct):
    code: ErrorCode
    message: str


class _Body(msgspec.Struct):
    error: _Error


def error_reply(
    status: HTTPStatus,
    code: ErrorCode,
    message: str,
    *,
    retry_after: float | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
) -> bytes:
    """Status line, headers and the JSON body `{"error": {"code", "message"}}`; the connection closes after it.

    `retry_after` is in seconds; the header holds whole ones, at least 1. `headers` go beside the usual ones. `body`:
    other JSON in place of the usual one.
    """
    body = body or msgspec.json.encode(_Body(_Error(code, message)))
    lines = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "connection: close",
    ]
    if status is HTTPStatus.UNAUTHORIZED:
        lines.append("www-authenticate: Bearer")
    if retry_after is not None:
        lines.append(f"retry-after: {max(1, ceil(retry_after))}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
