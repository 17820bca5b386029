"""Refusals as HTTP answers: `{"error": {"code", "message"}}` with the right status, also those that Quart raises."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from quart import Quart, Response, request
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
    """Every answer that is not a success, unless its route has a form of its own for them."""

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
    """Every answer of such a route that is not a success, also where the engine fails."""

    code: int = -1
    msg: str


class ErrorAnswers:
    """How an application answers what was raised. Each request ends here at the latest: what is wrong with one must not
    reach the others of its connection."""

    def __init__(self, forms: Mapping[str, type[CodedRefusal]]) -> None:
        """`forms`: by endpoint, of those that have one of their own."""
        self._forms = forms

    def guard(self, app: Quart) -> None:
        """Has the application answer every error so."""
        app.register_error_handler(CallboardError, self._refused)
        app.register_error_handler(HTTPException, self._http_error)
        app.register_error_handler(Exception, self._crashed)

    # All are async for Quart's sake, which runs a plain function in a thread.

    async def _refused(self, error: CallboardError) -> Response:
        retry_after = error.retry_after
        if retry_after is None and error.code.retry_helps:
            retry_after = _RETRY_SECONDS
        response = error_response(
            http_status(error.code), error.code, error.message, retry_after=retry_after, details=error.details
        )
        return self._in_form(response, error.message)

    async def _http_error(self, error: HTTPException) -> Response | HTTPException:
        if isinstance(error, RoutingException) or error.code is None:
            return error
        status = HTTPStatus(error.code)
        message = _message(error)
        response = self._in_form(error_response(status, _CODES.get(status, status.name), message), message)
        for name, value in error.get_headers():
            if name == "Allow":
                response.headers[name] = value
        return response

    async def _crashed(self, error: Exception) -> Response:
        _log.error("a request failed", exc_info=error)
        message = "the engine failed to answer; it has logged why"
        return self._in_form(error_response(500, ErrorCode.INTERNAL, message), message)

    def _in_form(self, response: Response, message: str) -> Response:
        """As the route that was asked has its errors."""
        form = self._forms.get(request.endpoint or "")
        if form is not None:
            response.set_data(msgspec.json.encode(form(msg=message)))
        return response


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
