"""A connection that has said nothing yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus

import trio

from actors.errors import ErrorCode
from transport.accepted import Accepted
from transport.berth import Berth, Work
from transport.byte_stream import ByteStream
from transport.drain import Drain
from transport.head import RequestHead, plain_get
from transport.http_error import error_reply
from transport.listener_options import ListenerOptions


class Newcomer:
    """Waits for the first request without a task. An upgrade whose client needs none to begin with goes on so."""

    __slots__ = ("_asked", "_berth", "_drain", "_options", "_serve", "_stream", "_upgrade")

    def __init__(
        self,
        stream: ByteStream,
        berth: Berth,
        options: ListenerOptions,
        drain: Drain,
        serve: Callable[[ByteStream], Awaitable[None]],
        upgrade: Callable[[ByteStream, RequestHead], Work],
    ) -> None:
        self._stream = stream
        self._berth = berth
        self._options = options
        self._drain = drain
        self._serve = serve
        self._upgrade = upgrade
        self._asked = False
        berth.call_after(options.head_seconds, stream.last_received)
        drain.add(self)

    def cancel(self) -> None:
        """The server drains."""
        self._berth.wake()

    @property
    def is_overdue(self) -> bool:
        return True

    def ready(self) -> Work | None:
        try:
            data = self._stream.receive_nowait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if data is None:
            # One that comes while the server drains is not told by it.
            return self.attend if self._drain.begun else None
        if not data:
            return self.attend
        self._asked = True
        self._wait_no_longer()
        head = None if self._drain.begun else plain_get(data[: self._options.head_bytes])
        if head is None or not head.wants_websocket:
            self._stream.unread(data)
            return partial(self._serve, self._stream)
        self._stream.unread(data[len(head.raw) :])
        serving = self._upgrade(self._stream, head)
        if not isinstance(serving, Accepted):
            return serving
        self._berth.park(serving.client)
        return serving.begin(self._stream)

    async def attend(self) -> None:
        """Closes it: it has said nothing for too long, or nobody would listen any more."""
        self._wait_no_longer()
        await self._stream.linger(self._options.linger_seconds)

    def turn_away(self) -> None:
        if self._asked:
            refusal = error_reply(HTTPStatus.SERVICE_UNAVAILABLE, ErrorCode.BUSY, "The server is stopping.")
            with suppress(OSError):
                self._stream.write_nowait(refusal)

    def abandon(self) -> None:
        self._wait_no_longer()

    def _wait_no_longer(self) -> None:
        self._drain.remove(self)
        self._berth.call_off(self._options.head_seconds)
