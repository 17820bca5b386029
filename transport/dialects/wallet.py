"""What a client of the wallet dialect asks. Pure functions."""

from __future__ import annotations

import msgspec

from actors.errors import CallboardError, ErrorCode

_NULL = msgspec.Raw(b"null")
_NAME_CHARACTERS = 64


class Named(msgspec.Struct, frozen=True):
    """What a client named its request, as the JSON text that it sent: strings and numbers only. It is echoed."""

    id: bytes | None = None
    request_id: bytes | None = None


class Ping(msgspec.Struct, frozen=True):
    """`timestamp` is the JSON text as the client wrote it: `1.0` stays `1.0`, and an integer keeps all its digits."""

    named: Named
    timestamp: bytes


class RefusedError(Exception):
    """A frame that is no request. `named` is what could be read of its name."""

    def __init__(self, named: Named, error: CallboardError) -> None:
        super().__init__(error.message)
        self.named = named
        self.error = error


class _Frame(msgspec.Struct):
    type: msgspec.Raw = _NULL
    timestamp: msgspec.Raw = _NULL
    id: msgspec.Raw = _NULL
    request_id: msgspec.Raw = _NULL


_FRAME = msgspec.json.Decoder(_Frame)


def decode(text: str) -> Ping:
    """The request in a text frame. Raises RefusedError, and nothing else, for anything that is none."""
    try:
        frame = _FRAME.decode(text)
    except msgspec.ValidationError as error:
        raise _refused(Named(), ErrorCode.INVALID_PAYLOAD, "a message is a JSON object") from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise _refused(Named(), ErrorCode.INVALID_JSON, f"not JSON: {error}") from error
    named = Named(_name(frame.id), _name(frame.request_id))
    try:
        kind = msgspec.json.decode(frame.type, type=str)
    except msgspec.DecodeError as error:
        raise _refused(named, ErrorCode.INVALID_PAYLOAD, "a message needs a string `type`") from error
    if kind != "ping":
        raise _refused(named, ErrorCode.UNKNOWN_TYPE, f"unknown message type: {kind[:_NAME_CHARACTERS]}")
    return Ping(named, bytes(frame.timestamp))


def _name(raw: msgspec.Raw) -> bytes | None:
    text = bytes(raw)
    return text if text[:1] in b'"-0123456789' else None


def _refused(named: Named, code: ErrorCode, message: str) -> RefusedError:
    return RefusedError(named, CallboardError(code, message))
