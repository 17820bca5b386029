"""A client's conversation in the gateway dialect."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import assert_never

import msgspec

from actors.commands import AnswerToolCall, ConfirmStep, CreateTask, ExecSession, TaskCommand
from actors.errors import CallboardError, ErrorCode
from actors.event import Event
from actors.principal import ANONYMOUS, Principal
from transport.accepted import Accepted
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.dialects import gateway, gateway_replies
from transport.head import RequestHead
from transport.upgrade import switching_protocols

GATEWAY_SOCKET_PATH = "/api/v1/gateway/ws"

_WELCOME = (gateway.Ping, gateway.Auth)
"""What a client may ask before it has authenticated."""

_log = logging.getLogger("callboard.gateway")


class GatewayDoor:
    """Lets in the clients of the gateway."""

    def __init__(self, services: ClientServices) -> None:
        self._services = services

    def serves(self, head: RequestHead) -> bool:
        return head.path == GATEWAY_SOCKET_PATH

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        client = ClientSocket(stream, self._services, self._services.gateway_frames, GatewayConversation)
        return Accepted(client, switching_protocols(head))


class GatewayConversation:
    """Answers each request with exactly one reply."""

    __slots__ = ("_client",)

    def __init__(self, client: ClientSocket) -> None:
        self._client = client

    def greet(self) -> None:
        if self._client.services.options.auth_required:
            self._client.await_identity()
        else:
            self._client.identify(ANONYMOUS, None)

    def end(self) -> None:
        """A gateway client leaves nothing behind: tasks run on without it."""

    def answer(self, text: str) -> Awaitable[None] | None:
        """Handles one frame, whatever it holds. Exactly one reply goes out: now, or by awaiting what is returned."""
        over_rate = self._client.over_rate()
        try:
            request = gateway.decode(text)
        except gateway.RefusedError as refused:
            error = over_rate or self._stranger_refused(refused.kind in (None, "ping", "auth")) or refused.error
            self._client.reply(gateway_replies.error_frame(refused.id, error))
            return None
        try:
            if refusal := over_rate or self._stranger_refused(isinstance(request.command, _WELCOME)):
                raise refusal
            return self._carry_out(request)
        # The edge of a request: what is wrong with one must not end all that its connection follows.
        except Exception as error:  # noqa: BLE001
            self._client.reply(_error_reply(request, error))
            return None

    def _stranger_refused(self, welcome: bool, /) -> CallboardError | None:
        """Before its authentication a client is not told what there is, nor in which form to ask for it."""
        if self._client.connection.principal is not None or welcome:
            return None
        return CallboardError(ErrorCode.UNAUTHORIZED, "authenticate first: {type: auth, payload: {token}}")

    def _carry_out(self, request: gateway.Request) -> Awaitable[None] | None:
        """Answers at once, or returns what does so later."""
        request_id, command = request.id, request.command
        match command:
            case gateway.Ping():
                self._client.reply(gateway_replies.pong(request_id))
            case gateway.Subscribe(snapshot=True):
                return self._subscribe_with_snapshots(request, command)
            case gateway.Subscribe():
                return self._subscribe(request, command, {})
            case gateway.Unsubscribe():
                return self._finish(request, self._unsubscribe(request_id, command))
            case gateway.Auth():
                return self._finish(request, self._authenticate(request_id, command))
            case gateway.TaskAction():
                return self._finish(request, self._act(request_id, command))
            case ExecSession():
                return self._finish(request, self._exec(request_id, command))
            case _:
                assert_never(command)
        return None

    def _finish(self, request: gateway.Request, work: Awaitable[bytes] | bytes | None) -> Awaitable[None] | None:
        """`work` is the reply, or what makes it; None where it has been given."""
        if work is None:
            return None
        if isinstance(work, bytes):
            self._client.reply(work)
            return None
        return self._reply_with(request, work)

    async def _reply_with(self, request: gateway.Request, work: Awaitable[bytes]) -> None:
        # What was answered before does not wait for this.
        self._client.flush()
        try:
            reply = await work
        # The edge of a request: what is wrong with one must not end all that its connection follows.
        except Exception as error:  # noqa: BLE001
            reply = _error_reply(request, error)
        self._client.reply(reply)

    def _authenticate(self, request_id: gateway.RequestId, auth: gateway.Auth) -> Awaitable[bytes] | bytes:
        known = self._client.services.verifier.recall(auth.token)
        if known is None:
            return self._verify(request_id, auth)
        return self._authenticated(request_id, auth, known)

    async def _verify(self, request_id: gateway.RequestId, auth: gateway.Auth) -> bytes:
        try:
            principal = await self._client.services.verifier.verify(auth.token)
        except CallboardError as error:
            return gateway_replies.auth_failed(request_id, error.message)
        return self._authenticated(request_id, auth, principal)

    def _authenticated(self, request_id: gateway.RequestId, auth: gateway.Auth, principal: Principal) -> bytes:
        device_id = self._client.identify(principal, auth.device_id)
        return gateway_replies.auth_result(request_id, principal, device_id)

    async def _subscribe_with_snapshots(self, request: gateway.Request, asked: gateway.Subscribe) -> None:
        client = self._client
        # What was answered before does not wait for this, nor does this add to replies that are not read.
        client.flush()
        await client.outbox.wait_for_room()
        try:
            snapshots = await client.services.router.snapshots_of(client.principal, asked.channel, asked.topics)
            rest = self._subscribe(request, asked, snapshots)
        # The edge of a request: what is wrong with one must not end all that its connection follows.
        except Exception as error:  # noqa: BLE001
            client.reply(_error_reply(request, error))
        else:
            if rest is not None:
                await rest

    def _subscribe(
        self, request: gateway.Request, asked: gateway.Subscribe, snapshots: Mapping[str, Event]
    ) -> Awaitable[None] | None:
        connection, everything = self._client.connection, not asked.topics
        if everything and not asked.since and connection.is_following(asked.channel):
            return self._finish(request, self._stand(request.id, asked))
        # One step: a topic that is forgotten in between would be followed from a place in its former log.
        admissions = connection.admit(asked.channel, asked.starts(), everything=everything, snapshots=snapshots)
        self._client.reply(gateway_replies.subscribed(request.id, asked, admissions))
        if everything or any(admission.first or not admission.live for admission in admissions):
            # The reply goes first: what is written at once, as that which was missed, would overtake it.
            self._client.flush()
        return connection.enter(asked.channel, admissions, everything=everything)

    async def _stand(self, request_id: gateway.RequestId, asked: gateway.Subscribe) -> bytes:
        admissions = await self._client.connection.standing(asked.channel)
        return gateway_replies.subscribed(request_id, asked, admissions)

    def _unsubscribe(self, request_id: gateway.RequestId, asked: gateway.Unsubscribe) -> Awaitable[bytes] | bytes:
        rest = None
        if asked.topics:
            self._client.connection.leave(asked.channel, asked.topics)
        else:
            rest = self._client.connection.leave_channel(asked.channel)
        reply = gateway_replies.unsubscribed(request_id, asked)
        return reply if rest is None else _after(rest, reply)

    async def _exec(self, request_id: gateway.RequestId, command: ExecSession) -> bytes:
        started = await self._client.services.router.exec_session(self._client.principal, command)
        return gateway_replies.exec_started(request_id, started.session_id, started.exec_id)

    def _act(self, request_id: gateway.RequestId, asked: gateway.TaskAction) -> Awaitable[bytes] | None:
        command = asked.command
        if command is not None and not isinstance(command, CreateTask):
            # Mostly that is all of it: the replies to what came in one read then leave in one write.
            try:
                receipt = self._client.services.router.command_task_nowait(self._client.principal, command)
            except CallboardError as error:
                self._client.reply(gateway_replies.task_refused(request_id, asked, error))
                return None
            if receipt is not None:
                self._client.reply(gateway_replies.task_result(request_id, asked.action, receipt))
                return None
        return self._act_in_turn(request_id, asked)

    async def _act_in_turn(self, request_id: gateway.RequestId, asked: gateway.TaskAction) -> bytes:
        router = self._client.services.router
        try:
            match asked.command:
                case None:
                    raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"no task action {asked.action[:64]!r}")
                case CreateTask():
                    created = await router.create_task(self._client.principal, asked.command)
                    return gateway_replies.task_result(request_id, asked.action, created)
                case _:
                    receipt = await router.command_task(self._client.principal, self._from_here(asked.command))
                    return gateway_replies.task_result(request_id, asked.action, receipt)
        except CallboardError as error:
            return gateway_replies.task_refused(request_id, asked, error)

    def _from_here(self, command: TaskCommand) -> TaskCommand:
        """What others are told of an answer names the device that it came from."""
        if isinstance(command, ConfirmStep | AnswerToolCall):
            return msgspec.structs.replace(command, device=self._client.connection.device_id)
        return command


async def _after(rest: Awaitable[None], reply: bytes) -> bytes:
    await rest
    return reply


def _error_reply(request: gateway.Request, error: Exception) -> bytes:
    """What is not the client's fault is logged, and told to it without a detail."""
    if not isinstance(error, CallboardError):
        _log.error("a command of the gateway failed: %s", type(request.command).__name__, exc_info=error)
        error = CallboardError(ErrorCode.INTERNAL, "the engine failed to answer; it has logged why")
    return gateway_replies.error_frame(request.id, error)
