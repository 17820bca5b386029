"""Follows an event stream of a Callboard server for as long as it is asked to, over every drop of the connection."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx2
import msgspec

# The server gives a sign of life every `timeouts.heartbeat_seconds`, 30 by default: three missed mean a dead peer.
SILENCE_SECONDS = 90.0
MAXIMUM_EVENT_BYTES = 64 << 20

_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class Refusal(Exception):
    """The server refuses for a reason that waiting does not change. The text is for the user."""


class Backoff:
    """Exponential, with full jitter: anything from 0 to a ceiling that doubles with each attempt, in seconds."""

    def __init__(
        self, first: float = 0.5, ceiling: float = 30.0, *, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._first = first
        self._ceiling = ceiling
        self._uniform = uniform
        self._attempts = 0

    def next_seconds(self) -> float:
        limit = min(self._ceiling, self._first * 2.0**self._attempts)
        self._attempts = min(self._attempts + 1, 60)
        return self._uniform(0.0, limit)

    def reset(self) -> None:
        self._attempts = 0


class Follower:
    """One stream of events, resumed by `Last-Event-ID`."""

    def __init__(
        self,
        client: httpx2.Client,
        path: str,
        *,
        since: str | None = None,
        on_drop: Callable[[str, float], None],
        backoff: Backoff | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`on_drop` is told the reason and the seconds until the next attempt, before they are slept."""
        self._client = client
        self._path = path
        self._since = since
        self._on_drop = on_drop
        self._backoff = backoff or Backoff()
        self._sleep = sleep
        self._last_id = ""

    def events(self) -> Iterator[httpx2.ServerSentEvent]:
        """Every event, without end. Raises Refusal."""
        while True:
            least = 0.0
            try:
                yield from self._connection()
                reason = "the server ended the stream"
            except _TryLaterError as error:
                reason, least = str(error), error.seconds
            except httpx2.TransportError as error:
                reason = str(error) or type(error).__name__
            seconds = max(least, self._backoff.next_seconds())
            self._on_drop(reason, seconds)
            self._sleep(seconds)

    def _connection(self) -> Iterator[httpx2.ServerSentEvent]:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        params = {"since": self._since} if self._since and not self._last_id else {}
        timeout = httpx2.Timeout(10, read=SILENCE_SECONDS)
        with self._client.sse(
            self._path, headers=headers, params=params, timeout=timeout, max_event_size=MAXIMUM_EVENT_BYTES
        ) as source:
            _check(source.response)
            for event in source:
                self._backoff.reset()
                self._last_id = event.id or self._last_id
                if event.data:
                    yield event


class _TryLaterError(Exception):
    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


def _check(response: httpx2.Response) -> None:
    if response.status_code == HTTPStatus.OK:
        return
    response.read()
    message = error_message(response)
    if response.is_server_error or response.status_code in _LATER:
        raise _TryLaterError(message, _retry_after(response))
    raise Refusal(message)


def _retry_after(response: httpx2.Response) -> float:
    """The header's seconds, at most ten minutes; its other form, a date, is left to our own back-off."""
    given = response.headers.get("retry-after", "")
    return min(float(given), 600.0) if given.isascii() and given.isdigit() else 0.0


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
