"""Which path is whose: what does not go through the HTTP application."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus

from actors.errors import ErrorCode
from transport.byte_stream import ByteStream
from transport.client_services import ClientOptions
from transport.connection_edge import Serving
from transport.door import Door, send_refusal
from transport.head import RequestHead
from transport.http.origins import Origins
from transport.http_error import error_reply
from transport.upgrade import upgrade_refusal


class ClientHandlers:
    """Hands every client to the first door that serves its request."""

    def __init__(
        self, options: ClientOptions, origins: Origins, sockets: Sequence[Door], streams: Sequence[Door]
    ) -> None:
        """`sockets` serve upgrades, `streams` event streams."""
        self._options = options
        self._origins = origins
        self._sockets = tuple(sockets)
        self._streams = tuple(streams)

    def is_event_stream(self, head: RequestHead) -> bool:
        return any(door.serves(head) for door in self._streams)

    def events(self, stream: ByteStream, head: RequestHead) -> Serving:
        for door in self._streams:
            if door.serves(head):
                if not self._origins.may_call(head.header("host")):
                    return self._refuse(stream, _unknown_host(head))
                return door.open(stream, head)
        raise ValueError(f"{head.path} is no event stream")

    def websocket(self, stream: ByteStream, head: RequestHead) -> Serving:
        for door in self._sockets:
            if door.serves(head):
                refusal = self._refusal(head)
                return door.open(stream, head) if refusal is None else self._refuse(stream, refusal)
        message = f"No WebSocket is served at {head.path[:200]}."
        return self._refuse(stream, error_reply(HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND, message))

    def _refuse(self, stream: ByteStream, refusal: bytes) -> Serving:
        return partial(send_refusal, stream, refusal, self._options.close_seconds)

    def _refusal(self, head: RequestHead) -> bytes | None:
        if not self._origins.may_call(head.header("host")):
            return _unknown_host(head)
        origin = head.header("origin")
        # Where a token is asked for, a strange page has none to show; else it would act as the user of this machine.
        if not self._options.auth_required and not self._origins.may_act(origin, head.header("host") or ""):
            message = f"Pages of {origin} may not connect here (cors_origins)."
            return error_reply(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, message)
        return upgrade_refusal(head)


def _unknown_host(head: RequestHead) -> bytes:
    message = f"This engine is not known as {(head.header('host') or '')[:200]}."
    return error_reply(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, message)
