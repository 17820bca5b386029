"""What a client of the pipeline dialect asks: from its frames to typed commands. Pure functions."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeAlias, TypeVar, get_args

import msgspec

from actors.errors import CallboardError, ErrorCode
from actors.event import Json
from transport.dialects.pipeline_elements import Chain, decode_chain

SessionType: TypeAlias = Literal["person", "group"]
SESSION_TYPES: tuple[SessionType, ...] = get_args(SessionType)
BAD_SESSION_TYPE = "session_type must be person or group"

Echo: TypeAlias = dict[str, Json]
"""The request's `id` or `request_id`, by the name that the client used; empty without one."""

_ID_CHARACTERS = 256
_LARGEST = 2**53


class Chat(msgspec.Struct, frozen=True):
    """`stream` false: the answer is to come in one piece."""

    chain: Chain
    stream: bool


class Authenticate(msgspec.Struct, frozen=True):
    token: str


class Recall(msgspec.Struct, frozen=True):
    message_id: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]


class Read(msgspec.Struct, frozen=True):
    """All up to the message was read."""

    message_id: Annotated[int, msgspec.Meta(ge=1, le=_LARGEST)]


class Presence(msgspec.Struct, frozen=True):
    """Who is there?"""


class Ping(msgspec.Struct, frozen=True):
    pass


class Disconnect(msgspec.Struct, frozen=True):
    pass


Command: TypeAlias = Chat | Authenticate | Recall | Read | Presence | Ping | Disconnect


class Request(msgspec.Struct, frozen=True):
    echo: Echo
    command: Command


class RefusedError(Exception):
    """A frame that is no request. `echo` is the request's, where it could be read."""

    def __init__(self, echo: Echo, error: CallboardError) -> None:
        super().__init__(error.message)
        self.echo = echo
        self.error = error


_C = TypeVar("_C", Authenticate, Recall, Read)


def session_type_of(name: str) -> SessionType:
    """Raises CallboardError INVALID_PAYLOAD."""
    for known in SESSION_TYPES:
        if name == known:
            return known
    raise CallboardError(ErrorCode.INVALID_PAYLOAD, BAD_SESSION_TYPE)


def decode(text: str) -> Request:
    """The request in a text frame. Raises RefusedError, and nothing else, for anything that is none."""
    try:
        frame = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RefusedError({}, CallboardError(ErrorCode.INVALID_JSON, f"not JSON: {error}")) from error
    if not isinstance(frame, dict):
        raise RefusedError({}, CallboardError(ErrorCode.INVALID_PAYLOAD, "a message is a JSON object"))
    echo = _echo(frame)
    try:
        return Request(echo, _command(frame))
    except CallboardError as error:
        raise RefusedError(echo, error) from error


def _echo(frame: dict[str, Any]) -> Echo:
    for name in ("request_id", "id"):
        match frame.get(name):
            case bool():
                continue
            case str() as value if len(value) <= _ID_CHARACTERS:
                return {name: value}
            case int() | float() as value if math.isfinite(value) and abs(value) <= _LARGEST:
                return {name: value}
            case _:
                continue
    return {}


def _command(frame: dict[str, Any]) -> Command:
    nested = frame.get("data")
    body: dict[str, Any] = {**nested, **frame} if isinstance(nested, dict) else frame
    match frame.get("type", "message"):
        case "message":
            return _chat(body)
        case "ping":
            return Ping()
        case "presence":
            return Presence()
        case "disconnect":
            return Disconnect()
        case "authenticate":
            return _convert(body, Authenticate)
        case "recall":
            return _convert(body, Recall)
        case "read":
            return _convert(body, Read)
        case str() as kind:
            raise CallboardError(ErrorCode.UNKNOWN_TYPE, f"unknown message type {kind[:64]!r}")
        case _:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "`type` is a string")


def _chat(body: dict[str, Any]) -> Chat:
    stream = body.get("stream", True)
    if not isinstance(stream, bool):
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "`stream` is true or false")
    return Chat(decode_chain(body.get("message")), stream)


def _convert(body: dict[str, Any], kind: type[_C]) -> _C:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, str(error)) from error
