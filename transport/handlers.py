"""Which path is whose: what does not go through the HTTP application."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus

import trio

from actors.errors import ErrorCode
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.event_stream import EventStream, stream_path
from transport.gateway_conversation import GATEWAY_SOCKET_PATH, GatewayConversation
from transport.head import RequestHead
from transport.http.origins import Origins
from transport.http_error import error_reply
from transport.upgrade import switching_protocols, upgrade_refusal


class GatewayHandlers:
    """Serves the gateway's socket and its event streams."""

    def __init__(self, services: ClientServices) -> None:
        self._services = services
        options = services.options
        self._origins = Origins(options.cors_origins, loopback_only=options.loopback_only)

    def is_event_stream(self, head: RequestHead) -> bool:
        return stream_path(head) is not None

    def events(self, stream: ByteStream, head: RequestHead) -> Serving:
        path = stream_path(head)
        if path is None:
            raise ValueError(f"{head.path} is no event stream")
        if not self._origins.may_call(head.header("host")):
            return partial(self._refuse, stream, _unknown_host(head))
        return EventStream(stream, self._services, self._origins, head, path).serve

    def websocket(self, stream: ByteStream, head: RequestHead) -> Serving:
        refusal = self._refusal(head)
        if refusal is None:
            client = ClientSocket(stream, self._services, self._services.gateway_frames, GatewayConversation)
            return partial(client.serve, switching_protocols(head))
        return partial(self._refuse, stream, refusal)

    async def _refuse(self, stream: ByteStream, refusal: bytes) -> None:
        with trio.move_on_after(self._services.options.close_seconds):
            try:
                await stream.send_all(refusal)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    def _refusal(self, head: RequestHead) -> bytes | None:
        if head.path != GATEWAY_SOCKET_PATH:
            message = f"No WebSocket is served at {head.path[:200]}; there is {GATEWAY_SOCKET_PATH}."
            return error_reply(HTTPStatus.NOT_FOUND, ErrorCode.NOT_FOUND, message)
        if not self._origins.may_call(head.header("host")):
            return _unknown_host(head)
        origin = head.header("origin")
        # Where a token is asked for, a strange page has none to show; else it would act as the user of this machine.
        if not self._services.options.auth_required and not self._origins.may_act(origin, head.header("host") or ""):
            message = f"Pages of {origin} may not use this gateway (cors_origins)."
            return error_reply(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, message)
        return upgrade_refusal(head)


def _unknown_host(head: RequestHead) -> bytes:
    message = f"This engine is not known as {(head.header('host') or '')[:200]}."
    return error_reply(HTTPStatus.FORBIDDEN, ErrorCode.FORBIDDEN, message)
