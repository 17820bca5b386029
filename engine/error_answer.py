"""What an error answer of a server says."""

from __future__ import annotations

import httpx2
import msgspec


class _Error(msgspec.Struct, frozen=True):
    code: str
    message: str


class _ErrorBody(msgspec.Struct, frozen=True):
    error: _Error


def error_message(response: httpx2.Response) -> str:
    """`CODE: message` of an error answer whose body has been read; its status where it is not one of Callboard's."""
    try:
        error = msgspec.json.decode(response.content, type=_ErrorBody).error
    except msgspec.DecodeError:
        phrase = httpx2.codes.get_reason_phrase(response.status_code)
        return f"HTTP {response.status_code} {phrase} from {response.request.url.copy_with(query=None)}"
    return f"{error.code}: {error.message}"
