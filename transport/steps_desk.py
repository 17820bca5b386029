"""What all clients of the steps dialect share, whichever way they come: who they are, and how requests are answered."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import Callable
from typing import TypeAlias, assert_never

import msgspec

from actors.admission import Admission
from actors.commands import Start
from actors.connection import Connection
from actors.errors import CallboardError, ErrorCode
from actors.position import Position
from actors.principal import Principal
from actors.subscription import Encoder
from actors.tool import Toolbox
from transport.client_services import ClientServices
from transport.credentials import Authenticator
from transport.dialects import steps, steps_events
from transport.dialects.steps_events import BlockEncoder, FrameEncoder, Message
from transport.event_stream import ChunkedEncoder
from transport.head import RequestHead
from transport.realtime_agent import RealtimeAgents, RealtimeOptions
from transport.steps_identity import StepsIdentity, VerifyClient

Say: TypeAlias = Callable[[Message], None]
"""Sends a message to one client. Raises CallboardError BUSY where it reads too slowly."""

_UNKNOWN = Position("-", 0)
"""Stands for an id that is not one of ours: as one of another life of the log, it is told as a gap."""

_log = logging.getLogger("callboard.steps")


class StepsClient(msgspec.Struct, frozen=True):
    """One that is connected."""

    id: str
    principal: Principal
    say: Say


def new_client(principal: Principal, say: Say) -> StepsClient:
    return StepsClient(f"client-{secrets.token_hex(8)}", principal, say)


class StepsDesk:
    """The clients that are connected, and what is done for them."""

    def __init__(
        self, services: ClientServices, toolbox: Toolbox, options: RealtimeOptions, verify_client: VerifyClient | None
    ) -> None:
        self.services = services
        self.agents = RealtimeAgents(services.router, services.feeds, options)
        self.frames: Encoder = FrameEncoder()
        self.blocks: Encoder = ChunkedEncoder(BlockEncoder())
        authenticator = Authenticator(services.verifier, services.tickets, auth_required=services.options.auth_required)
        self.identity = StepsIdentity(authenticator, verify_client, services.options.auth_seconds)
        self._toolbox = toolbox
        self._clients: dict[str, StepsClient] = {}

    def enter(self, principal: Principal, say: Say) -> StepsClient:
        """A client has connected."""
        client = new_client(principal, say)
        self.admit(client)
        return client

    def admit(self, client: StepsClient) -> None:
        """From now on it can be spoken for."""
        self._clients[client.id] = client

    def leave(self, client: StepsClient) -> None:
        """Idempotent."""
        self._clients.pop(client.id, None)

    def find(self, principal: Principal, client_id: str) -> StepsClient:
        """Raises CallboardError NOT_FOUND, also for somebody else's client: that it is there is not told."""
        client = self._clients.get(client_id)
        if client is None or client.principal.user_id != principal.user_id:
            raise CallboardError(ErrorCode.NOT_FOUND, f"no client {client_id[:64]!r} is connected")
        return client

    async def identify(self, head: RequestHead, *, reads: bool) -> Principal:
        """Whose client it is, with the stream of that user at hand. Raises CallboardError UNAUTHORIZED, FORBIDDEN."""
        principal = await self.identity.identify(head, reads=reads)
        # Where there is no room for it, the greeting says so.
        with contextlib.suppress(CallboardError):
            await self.agents.ready(principal.user_id)
        return principal

    def recall(self, head: RequestHead) -> Principal | None:
        """As `identify`, where that need not wait. None: `identify` says."""
        principal = self.identity.recall(head)
        return principal if principal is not None and self.agents.is_ready(principal.user_id) else None

    def greet(
        self, client: StepsClient, connection: Connection, last_event_id: str | None
    ) -> tuple[list[Message], Admission]:
        """What a client is told first, and where its subscription starts: both in one step. Raises CallboardError."""
        agent = self.agents.of(client.principal.user_id)
        admission = connection.admission(agent.key, _start(last_event_id))
        told = [agent.status()]
        if not last_event_id or not admission.recovered:
            # Who comes back without a loss knows the plan, and was asked.
            told += agent.catch_up()
        return [steps_events.connected(client.id, admission), *map(steps_events.told, told)], admission

    async def carry_out(self, client: StepsClient, request: steps.Request) -> Message | None:
        """The reply, where there is one: what a task does comes as events. Raises CallboardError."""
        command, echo = request.command, request.echo
        agent = self.agents.of(client.principal.user_id)
        match command:
            case steps.Ping():
                return steps_events.pong(echo)
            case steps.GetTools():
                return steps_events.tools_list(echo, self._toolbox.specs())
            case steps.SubmitTask():
                task_id = (await agent.submit(client.principal, command)).id
            case steps.CancelTask():
                task_id = await agent.cancel(client.principal, command)
            case steps.ConfirmStep():
                task_id = await agent.confirm(client.principal, command)
            case steps.ToolResult():
                task_id = await agent.answer_tool_call(client.principal, command)
            case _:
                assert_never(command)
        return steps_events.accepted(echo, task_id) if echo else None


def error_reply(request: steps.Request, error: Exception) -> Message:
    """What is not the client's fault is logged, and told to it without a detail."""
    if not isinstance(error, CallboardError):
        _log.error("a command of the steps failed: %s", type(request.command).__name__, exc_info=error)
        error = CallboardError(ErrorCode.INTERNAL, "the engine failed to answer; it has logged why")
    return steps_events.error_message(request.echo, error)


def _start(last_event_id: str | None) -> Start:
    match last_event_id:
        case None | "":
            return "live"
        case "0":
            return "oldest"
        case _:
            try:
                return Position.parse(last_event_id)
            except CallboardError:
                return _UNKNOWN
