"""From a request's bytes and parameters to typed structs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import orjson

from actors.errors import CallboardError, ErrorCode

T = TypeVar("T", bound=msgspec.Struct)


def decode_body(raw: bytes, kind: type[T]) -> T:
    """The body as `kind`; no bytes at all are an empty object. Unknown members are let pass.

    Raises CallboardError INVALID_JSON for what is no JSON in UTF-8 (NaN is none), INVALID_PAYLOAD naming the member
    that is missing or of a wrong type.
    """
    try:
        tree: object = msgspec.json.decode(raw) if raw else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CallboardError(ErrorCode.INVALID_JSON, f"the body is not JSON: {error}") from error
    try:
        # What cannot be written again (nested beyond 250, an integer beyond 64 bits) would fail later, inside an actor.
        orjson.dumps(tree)
    except orjson.JSONEncodeError as error:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"the body cannot be kept: {error}") from error
    return _convert(tree, kind, strict=True)


def decode_query(parameters: Mapping[str, str], kind: type[T]) -> T:
    """The parameters as `kind`; an empty one counts as absent. Raises CallboardError INVALID_PAYLOAD naming it."""
    return _convert({name: value for name, value in parameters.items() if value}, kind, strict=False)


def as_json(value: object) -> bytes:
    return msgspec.json.encode(value)


def fields_of(view: msgspec.Struct) -> dict[str, Any]:
    """A view's members by name, its position as on the wire. For the struct that repeats the view on the wire."""
    fields = msgspec.structs.asdict(view)
    if "position" in fields:
        fields["position"] = str(fields["position"])
    return fields


def _convert(tree: object, kind: type[T], *, strict: bool) -> T:
    try:
        return msgspec.convert(tree, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, str(error)) from error
