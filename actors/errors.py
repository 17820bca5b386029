"""The table of errors and of close codes: what went wrong, and whether trying again helps."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.event import Json


class ErrorCode(StrEnum):
    """Why a request was refused. The value is the code on the wire."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_PAYLOAD = "INVALID_PAYLOAD"
    INVALID_CHANNEL = "INVALID_CHANNEL"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    TOO_LARGE = "TOO_LARGE"
    RATE_LIMITED = "RATE_LIMITED"
    BUSY = "BUSY"
    UNAVAILABLE = "UNAVAILABLE"
    TIMEOUT = "TIMEOUT"
    EXEC_FAILED = "EXEC_FAILED"
    INTERNAL = "INTERNAL"

    @property
    def retry_helps(self) -> bool:
        """True where the same request may succeed later, unchanged."""
        return self in _RETRY_HELPS


_RETRY_HELPS = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.BUSY, ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT})


class CallboardError(Exception):
    """A refusal that the caller is meant to see.

    `code` is its row in the table, `message` one English sentence that names the limit or the field, `retry_after` the
    seconds after which trying again is sensible, where that is known, and `details` what a program may want to know.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        retry_after: float | None = None,
        details: Mapping[str, Json] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.details = dict(details or {})


class CloseCode(IntEnum):
    """Why a socket was closed. RFC 6455 section 7.4 below 4000, ours from 4400."""

    NORMAL = 1000
    UNSUPPORTED = 1003
    TOO_BIG = 1009
    INTERNAL = 1011
    RESTARTING = 1012
    TRY_LATER = 1013
    UNAUTHORIZED = 4401
    REPLACED = 4409
