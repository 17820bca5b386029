"""A client's conversation in the steps dialect over a WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable
from functools import partial

from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.principal import Principal
from transport.byte_stream import ByteStream
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.dialects import steps, steps_events
from transport.dialects.steps_events import Message
from transport.door import open_identified
from transport.head import RequestHead
from transport.steps_desk import StepsClient, StepsDesk, error_reply
from transport.upgrade import switching_protocols

STEPS_SOCKET_PATH = "/ws"

_UNAUTHORIZED = (
    b"HTTP/1.1 401 Unauthorized\r\ncontent-type: text/plain\r\ncontent-length: 12\r\ncache-control: no-store\r\n"
    b"www-authenticate: Bearer\r\nconnection: close\r\n\r\nUnauthorized"
)


class StepsDoor:
    """Lets in the clients of the steps over WebSockets."""

    def __init__(self, desk: StepsDesk) -> None:
        self._desk = desk

    def serves(self, head: RequestHead) -> bool:
        return head.path == STEPS_SOCKET_PATH

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        desk, services = self._desk, self._desk.services
        last_event_id = head.query("lastEventId")

        def open_client(principal: Principal) -> ClientSocket:
            def speak(client: ClientSocket) -> StepsConversation:
                return StepsConversation(client, desk, principal, last_event_id)

            return ClientSocket(stream, services, desk.frames, speak)

        return open_identified(
            stream,
            desk.recall(head),
            # What is asked over the socket later may change something.
            partial(desk.identify, head, reads=False),
            _refusal,
            open_client,
            switching_protocols(head),
            services.options.close_seconds,
        )


def _refusal(error: CallboardError) -> bytes:
    # Whatever is wrong with a credential, the dialect has one answer.
    return _UNAUTHORIZED


class StepsConversation:
    """Answers requests; what the tasks do comes from the feed of their user."""

    __slots__ = ("_client", "_desk", "_known", "_last_event_id", "_principal")

    def __init__(self, client: ClientSocket, desk: StepsDesk, principal: Principal, last_event_id: str | None) -> None:
        self._client = client
        self._desk = desk
        self._principal = principal
        self._last_event_id = last_event_id
        self._known: StepsClient | None = None

    def greet(self) -> None:
        self._client.identify(self._principal, None)
        known = self._known = self._desk.enter(self._principal, self._say)
        try:
            greeting, admission = self._desk.greet(known, self._client.connection, self._last_event_id)
        except CallboardError as error:
            self._reply(steps_events.error_message(steps.Echo(), error))
            self._client.close(CloseCode.TRY_LATER, error.message)
            return
        for message in greeting:
            self._reply(message)
        # The greeting goes first.
        self._client.flush()
        self._client.connection.hold(admission)

    def end(self) -> None:
        """The tasks run on without the client."""
        if self._known is not None:
            self._desk.leave(self._known)

    def answer(self, text: str) -> Awaitable[None] | None:
        over_rate = self._client.over_rate()
        try:
            request = steps.decode(text)
        except steps.RefusedError as refused:
            self._reply(steps_events.error_message(refused.echo, over_rate or refused.error))
            return None
        if over_rate is not None:
            self._reply(error_reply(request, over_rate))
            return None
        return self._carry_out(request)

    async def _carry_out(self, request: steps.Request) -> None:
        if self._known is None:
            raise RuntimeError("a client is greeted before it is answered")
        try:
            reply = await self._desk.carry_out(self._known, request)
        # The edge of a request: what is wrong with one must not end all that its connection follows.
        except Exception as error:  # noqa: BLE001
            reply = error_reply(request, error)
        if reply is not None:
            self._reply(reply)

    def _reply(self, message: Message) -> None:
        self._client.reply(message.frame)

    def _say(self, message: Message) -> None:
        if not self._client.outbox.has_room:
            raise CallboardError(ErrorCode.BUSY, "the client reads too slowly", retry_after=1.0)
        self._client.reply(message.frame)
        self._client.flush()
