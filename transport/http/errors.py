"""Refusals as HTTP answers: `{"error": {"code", "message"}}` with the right status, also those that Quart raises."""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import Any

import msgspec
from quart import Quart, Response
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RoutingException

from actors.errors import CallboardError, ErrorCode
from actors.event import Json
from transport.http_error import http_status

_log = logging.getLogger("callboard.http")

_RETRY_SECONDS = 1.0
"""What a client is told where it may try again and nothing says when."""


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """`code` is for programs and stays, `message` is for people. `details`, where there are any, are for programs: who
    has answered a question before, and with what."""

    code: str
    message: str
    details: dict[str, Any] = {}


class ErrorBody(msgspec.Struct, frozen=True):
    """Every answer that is not a success."""

    error: ErrorDetail


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    retry_after: float | None = None,
    details: dict[str, Json] | None = None,
) -> Response:
    """`retry_after` is in seconds; the header holds whole ones, at least 1."""
    response = Response(msgspec.json.encode(ErrorBody(ErrorDetail(code, message, details or {}))), status)
    response.mimetype = "application/json"
    response.headers["Cache-Control"] = "no-store"
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = "Bearer"
    if retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(retry_after)))
    return response


class CodedRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Every answer of such a path that is not a success."""

    code: int = -1
    msg: str


def answer_errors(app: Quart) -> None:
    """Has the application answer every error in this form."""
    app.register_error_handler(CallboardError, _refused)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _crashed)


def refused_as(form: type[CodedRefusal], error: CallboardError) -> Response:
    """The refusal with a body in that form, made of its message."""
    response = _refusal(error)
    response.set_data(msgspec.json.encode(form(msg=error.message)))
    return response


async def _refused(error: CallboardError) -> Response:
    return _refusal(error)


def _refusal(error: CallboardError) -> Response:
    retry_after = error.retry_after
    if retry_after is None and error.code.retry_helps:
        retry_after = _RETRY_SECONDS
    return error_response(
        http_status(error.code), error.code, error.message, retry_after=retry_after, details=error.details
    )


async def _http_error(error: HTTPException) -> Response | HTTPException:
    if isinstance(error, RoutingException) or error.code is None:
        return error
    status = HTTPStatus(error.code)
    response = error_response(status, _CODES.get(status, status.name), _message(error))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


async def _crashed(error: Exception) -> Response:
    # The edge of a request: what is wrong with one must not reach the others of its connection.
    _log.error("a request failed", exc_info=error)
    return error_response(500, ErrorCode.INTERNAL, "the engine failed to answer; it has logged why")


_CODES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: ErrorCode.INVALID_PAYLOAD,
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR: ErrorCode.INTERNAL,
}
"""Where HTTP has a name for what happened and the table has none, such as METHOD_NOT_ALLOWED, the code is HTTP's."""


def _message(error: HTTPException) -> str:
    match error.code:
        case HTTPStatus.NOT_FOUND:
            return "no such path; /docs lists what there is"
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return "the body is larger than limits.body_bytes"
        case _:
            return error.description or error.name
