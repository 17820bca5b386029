"""Follows an event stream of a Callboard server for as long as it is asked to, over every drop of the connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus

import httpx2

from callboard_client import Backoff
from engine.error_answer import error_message

# The server gives a sign of life every `timeouts.heartbeat_seconds`, 30 by default: three missed mean a dead peer.
SILENCE_SECONDS = 90.0
MAXIMUM_EVENT_BYTES = 64 << 20

_LATER = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}


class Refusal(Exception):
    """The server refuses for a reason that waiting does not change. The text is for the user."""


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
