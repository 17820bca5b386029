"""Which path is whose: what does not go through the HTTP application."""

from __future__ import annotations

from http import HTTPStatus

import trio

from actors.errors import ErrorCode
from transport.byte_stream import ByteStream
from transport.event_stream import EventStream, stream_path
from transport.gateway_services import GatewayServices
from transport.gateway_socket import GATEWAY_SOCKET_PATH, GatewaySocket
from transport.head import RequestHead
from transport.http_error import error_reply


class GatewayHandlers:
    """Serves the gateway's socket and its event streams."""

    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    def is_event_stream(self, head: RequestHead) -> bool:
        return stream_path(head) is not None

    async def serve_events(self, stream: ByteStream, head: RequestHead) -> None:
        path = stream_path(head)
        if path is None:
            raise ValueError(f"{head.path} is no event stream")
        await EventStream(stream, self._services).serve(head, path)

    async def serve_websocket(self, stream: ByteStream, head: RequestHead) -> None:
        if head.path == GATEWAY_SOCKET_PATH:
            await GatewaySocket(stream, self._services).serve(head)
            return
        message = f"No WebSocket is served at {head.path[:200]}; there is {GATEWAY_SOCKET_PATH}."
        try:
            await stream.send_all(error_reply(HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND, message))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return
