"""One WebSocket client of the gateway dialect."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Awaitable
from typing import assert_never

import trio

from actors.commands import CreateTask, ExecSession
from actors.connection import Connection
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.outbox import Outbox
from actors.principal import ANONYMOUS, Principal
from actors.rate import TokenBucket
from transport.byte_stream import ByteStream
from transport.dialects import gateway, gateway_replies
from transport.gateway_services import GatewayServices
from transport.websocket import PING, WebSocket

GATEWAY_SOCKET_PATH = "/api/v1/gateway/ws"

_WELCOME = (gateway.Ping, gateway.Auth)
"""What a client may ask before it has authenticated."""

_log = logging.getLogger("callboard.gateway")


class GatewaySocket:
    """Serves one client from its upgrade to its end: reads requests one by one, and answers each in that order."""

    __slots__ = (
        "_auth_deadline",
        "_bucket",
        "_closing",
        "_connection",
        "_conversation",
        "_idle",
        "_options",
        "_outbox",
        "_services",
        "_socket",
        "_stream",
    )

    def __init__(self, stream: ByteStream, services: GatewayServices) -> None:
        self._stream = stream
        self._services = services
        self._options = services.options
        self._outbox = Outbox(stream, services.spawn_writer, self._options.outbox)
        # What asks for nothing, or for too much, has a rate of its own, as high as that of commands.
        spare = TokenBucket(self._options.commands_per_second, self._options.commands_burst, trio.current_time())
        self._socket = WebSocket(stream, self._outbox, self._options.message_bytes, spare)
        self._connection = Connection(
            services.router, self._outbox, services.socket_encoder, self.close, self._options.subscriptions
        )
        # One scope for all that may end the conversation: an idle connection holds few objects.
        self._conversation = trio.CancelScope()
        self._idle = False
        """Waits for a request, and carries none out."""
        self._auth_deadline = math.inf
        self._closing: tuple[CloseCode, str] | None = None
        self._bucket: TokenBucket | None = None

    @property
    def last_received(self) -> float:
        return self._stream.last_received

    @property
    def answers(self) -> bool:
        # While a command is carried out, or replies wait for room, nothing is read: a pong would pass for none.
        return self._idle and self._outbox.has_room

    def beat(self) -> None:
        self._outbox.put_nowait(PING)

    def close(self, code: CloseCode, reason: str) -> None:
        """Ends the connection in good order: a command that is being carried out has some time left. The first reason
        counts."""
        if self._closing is None:
            self._closing = (code, reason)
            self._conversation.deadline = trio.current_time() + self._options.close_seconds
            if self._idle:
                self._conversation.cancel()

    async def serve(self, answer: bytes) -> None:
        """Sends the answer to the upgrade and returns when the client is gone, with everything of it cleared away; the
        socket itself is the caller's."""
        connections = self._services.connections
        try:
            self._outbox.put_nowait(answer)
            connections.add(self._connection, self, trio.current_time())
            if self._options.auth_required:
                self._auth_deadline = trio.current_time() + self._options.auth_seconds
            else:
                self._identify(ANONYMOUS, None)
            await self._converse()
        finally:
            self._connection.detach()
            connections.remove(self._connection)
            if self._outbox.busy:
                # What is still to be written will not be: a socket left in mid-frame is fit for nothing else. The
                # writer, which is no child of this task, ends by that too.
                self._outbox.abort()

    async def _converse(self) -> None:
        # Short of calls: each is held for as long as the client is idle.
        with self._conversation:
            while self._begin_wait():
                text = await self._socket.receive()
                self._end_wait()
                if text is None:
                    break
                while isinstance(text, str) and self._closing is None:
                    if (work := self._answer(text)) is not None:
                        await work
                    text = self._socket.receive_nowait()
        if self._conversation.cancelled_caught and self._closing is None:
            self._closing = (CloseCode.UNAUTHORIZED, "not authenticated in time")
        self._connection.detach()
        if self._socket.over and not self._outbox.busy:
            return
        with trio.move_on_after(self._options.close_seconds):
            await self._socket.close(*(self._closing or (CloseCode.NORMAL, "")))
            await self._outbox.drain()

    def _begin_wait(self) -> bool:
        """From now on `close` need not wait for a command. False where either side closes already."""
        # Not left to `receive`: it is a checkpoint, at which an event could follow the close frame.
        if self._closing is not None or self._socket.ended:
            return False
        if self._auth_deadline != math.inf:
            self._conversation.deadline = self._auth_deadline
        self._idle = True
        return True

    def _end_wait(self) -> None:
        """A command is not cut short where its client has not authenticated in time."""
        self._idle = False
        if self._closing is None and self._auth_deadline != math.inf:
            self._conversation.deadline = math.inf

    def _answer(self, text: str) -> Awaitable[None] | None:
        """Handles one frame, whatever it holds. Exactly one reply goes out: now, or by awaiting what is returned."""
        over_rate = self._over_rate()
        try:
            request = gateway.decode(text)
        except gateway.RefusedError as refused:
            error = over_rate or self._stranger_refused(refused.kind in (None, "ping", "auth")) or refused.error
            self._socket.reply(gateway_replies.error_frame(refused.id, error))
            return None
        try:
            if refusal := over_rate or self._stranger_refused(isinstance(request.command, _WELCOME)):
                raise refusal
            work = self._carry_out(request.id, request.command)
        # The edge of a request: what is wrong with one must not end all that its connection follows.
        except Exception as error:  # noqa: BLE001
            self._socket.reply(_error_reply(request, error))
            return None
        return None if work is None else self._finish(request, work)

    async def _finish(self, request: gateway.Request, work: Awaitable[bytes]) -> None:
        # What was answered before does not wait for this.
        self._socket.flush()
        try:
            reply = await work
        # The edge of a request, as above.
        except Exception as error:  # noqa: BLE001
            reply = _error_reply(request, error)
        self._socket.reply(reply)

    def _over_rate(self) -> CallboardError | None:
        """Counts one frame, whatever it holds."""
        now = trio.current_time()
        if self._bucket is None:
            self._bucket = TokenBucket(self._options.commands_per_second, self._options.commands_burst, now)
        delay = self._bucket.take(now)
        if not delay:
            return None
        self._socket.charge()
        limit = f"{self._options.commands_per_second:g} commands a second"
        return CallboardError(ErrorCode.RATE_LIMITED, f"more than {limit}", retry_after=delay)

    def _stranger_refused(self, welcome: bool, /) -> CallboardError | None:
        """Before its authentication a client is not told what there is, nor in which form to ask for it."""
        if self._connection.principal is not None or welcome:
            return None
        return CallboardError(ErrorCode.UNAUTHORIZED, "authenticate first: {type: auth, payload: {token}}")

    def _carry_out(self, request_id: gateway.RequestId, command: gateway.Command) -> Awaitable[bytes] | None:
        """Answers at once, or returns what waits for the answer."""
        match command:
            case gateway.Ping():
                self._socket.reply(gateway_replies.pong(request_id))
            case gateway.Subscribe():
                self._subscribe(request_id, command)
            case gateway.Unsubscribe():
                self._unsubscribe(request_id, command)
            case gateway.Auth():
                return self._authenticate(request_id, command)
            case gateway.TaskAction():
                return self._act(request_id, command)
            case ExecSession():
                return self._exec(request_id, command)
            case _:
                assert_never(command)
        return None

    @property
    def _principal(self) -> Principal:
        principal = self._connection.principal
        if principal is None:
            raise CallboardError(ErrorCode.UNAUTHORIZED, "authenticate first")
        return principal

    async def _authenticate(self, request_id: gateway.RequestId, auth: gateway.Auth) -> bytes:
        try:
            principal = await self._services.verifier.verify(auth.token)
        except CallboardError as error:
            return gateway_replies.auth_failed(request_id, error.message)
        device_id = self._identify(principal, auth.device_id)
        return gateway_replies.auth_result(request_id, principal, device_id)

    def _identify(self, principal: Principal, device_id: str | None) -> str:
        """Makes this the connection of a user's device. The same user again renews its credential; another one starts
        with nothing subscribed."""
        connection = self._connection
        same_user = connection.principal is not None and connection.principal.user_id == principal.user_id
        if not same_user:
            connection.detach()
        device = device_id or (connection.device_id if same_user else "") or f"device-{secrets.token_hex(6)}"
        self._services.connections.identify(connection, principal, device)
        self._auth_deadline = math.inf
        return device

    def _subscribe(self, request_id: gateway.RequestId, asked: gateway.Subscribe) -> None:
        # One step: a topic that is forgotten in between would be followed from a place in its former log.
        everything = not asked.topics
        admissions = self._connection.admit(asked.channel, asked.starts(), everything=everything)
        self._socket.reply(gateway_replies.subscribed(request_id, asked, admissions))
        if everything or any(admission.questions for admission in admissions):
            # The reply goes first. Events wait for the outbox's writer, an open question does not.
            self._socket.flush()
        self._connection.enter(asked.channel, admissions, everything=everything)

    def _unsubscribe(self, request_id: gateway.RequestId, asked: gateway.Unsubscribe) -> None:
        if asked.topics:
            self._connection.leave(asked.channel, asked.topics)
        else:
            self._connection.leave_channel(asked.channel)
        self._socket.reply(gateway_replies.unsubscribed(request_id, asked))

    async def _exec(self, request_id: gateway.RequestId, command: ExecSession) -> bytes:
        started = await self._services.router.exec_session(self._principal, command)
        return gateway_replies.exec_started(request_id, started.session_id, started.exec_id)

    async def _act(self, request_id: gateway.RequestId, asked: gateway.TaskAction) -> bytes:
        router = self._services.router
        try:
            match asked.command:
                case None:
                    raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"no task action {asked.action[:64]!r}")
                case CreateTask():
                    created = await router.create_task(self._principal, asked.command)
                    return gateway_replies.task_result(request_id, asked.action, created)
                case _:
                    receipt = await router.command_task(self._principal, asked.command)
                    return gateway_replies.task_result(request_id, asked.action, receipt)
        except CallboardError as error:
            return gateway_replies.task_refused(request_id, asked, error)


def _error_reply(request: gateway.Request, error: Exception) -> bytes:
    """What is not the client's fault is logged, and told to it without a detail."""
    if not isinstance(error, CallboardError):
        _log.error("a command of the gateway failed: %s", type(request.command).__name__, exc_info=error)
        error = CallboardError(ErrorCode.INTERNAL, "the engine failed to answer; it has logged why")
    return gateway_replies.error_frame(request.id, error)
