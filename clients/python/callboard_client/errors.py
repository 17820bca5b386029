"""What can go wrong, as one small hierarchy: `except ClientError` takes all of it."""

from __future__ import annotations

from collections.abc import Mapping


class ClientError(Exception):
    """The base of all errors of this package. The text is for a person."""


class RequestRefused(ClientError):
    """The server has answered no. `code` is its row in the server's table of errors, such as `NOT_FOUND`;
    `retry_after` the seconds after which it makes sense to ask again, where the server says so; `details` of a question
    that was answered before, by whom (`answered_by`, `answered_on` which device) and with what."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: float | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}" if code else message)
        self.code = code
        self.message = message
        self.retry_after = retry_after
        self.details = dict(details or {})


class RequestTimedOut(ClientError):
    """No answer in time. Whether the request was carried out is not known."""


class ConnectionLost(ClientError):
    """The connection broke while a request was under way that must not be sent twice. Whether it was carried out is not
    known; the client itself connects again. `least` is how many seconds the server asks to be left alone."""

    def __init__(self, message: str, *, least: float = 0.0) -> None:
        super().__init__(message)
        self.least = least


class Unreachable(ClientError):
    """No connection could be made, for a reason that may pass. `least` as above."""

    def __init__(self, message: str, *, least: float = 0.0) -> None:
        super().__init__(message)
        self.least = least


class Stopped(ClientError):
    """The client does not connect any more, because waiting would not help. Everything under way fails with it."""


class Closed(Stopped):
    """The client's `async with` block has been left."""


class AuthenticationFailed(Stopped):
    """The credential is missing, wrong, expired or revoked (close code 4401)."""


class Replaced(Stopped):
    """Another client has connected with this device id (close code 4409): coming back would throw that one out."""


class NotUnderstood(Stopped):
    """One side does not speak the other's protocol: not a gateway, a refused upgrade, or a frame that was too large."""


class TaskFailed(ClientError):
    """The task has failed. `cause` is a short code."""

    def __init__(self, cause: str, message: str) -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message


class TaskCancelled(ClientError):
    """The task was cancelled; `reason` says by what."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the task was cancelled ({reason})")
        self.reason = reason
