"""The key that makes the same request twice one, from the body or from the header of that name."""

from __future__ import annotations

from werkzeug.datastructures import Headers

from actors.errors import CallboardError, ErrorCode

IDEMPOTENCY_HEADER = "Idempotency-Key"
IDEMPOTENCY_HEADER_MEANING = "As `idempotency_key` in the body."
_LONGEST = 200


def idempotency_key(headers: Headers, in_body: str | None) -> str | None:
    """None without one. Raises CallboardError INVALID_PAYLOAD for two that differ, an empty or an overlong one."""
    in_header = headers.get(IDEMPOTENCY_HEADER)
    if in_header is not None and in_body is not None and in_header != in_body:
        message = f"the header {IDEMPOTENCY_HEADER} and `idempotency_key` differ"
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, message)
    key = in_body if in_body is not None else in_header
    if key is not None and not 0 < len(key) <= _LONGEST:
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"an idempotency key has 1 to {_LONGEST} characters")
    return key
