"""A client's conversation in the agent dialect."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable
from functools import partial
from typing import assert_never

import msgspec

from actors.commands import AnswerToolCall, CancelTask, ConfirmStep, QuestionAnswer
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.event import ChannelKey, Event, Json
from actors.principal import Principal
from actors.rooms import Rooms
from actors.subscription import Encoder
from actors.tool import Toolbox
from transport.agent_rooms import AgentRooms
from transport.agent_work import AgentWork, WorkOptions
from transport.byte_stream import ByteStream
from transport.client_services import ClientServices
from transport.client_socket import ClientSocket
from transport.connection_edge import Serving
from transport.credentials import Authenticator, Credentials
from transport.dialects import agent, agent_replies
from transport.dialects.agent_events import AgentEncoder
from transport.door import open_identified
from transport.head import RequestHead
from transport.http_error import error_reply, http_status
from transport.roster import Attendance, Roster
from transport.upgrade import switching_protocols

AGENT_SOCKET_PATH = "/ws/agent"

_log = logging.getLogger("callboard.agent")


class AgentServices(msgspec.Struct, frozen=True, kw_only=True):
    """What this dialect needs beside what all need. `beat_seconds`: between two WebSocket pings."""

    toolbox: Toolbox
    roster: Roster
    rooms: Rooms
    beat_seconds: float = 30.0
    work: WorkOptions = WorkOptions()


class AgentDoor:
    """Lets in the clients of the agent dialect, who show who they are with their upgrade."""

    def __init__(self, services: ClientServices, own: AgentServices) -> None:
        self._services = services
        self._own = own
        self._encoder: Encoder = AgentEncoder()
        self._authenticator = Authenticator(
            services.verifier, services.tickets, auth_required=services.options.auth_required
        )

    def serves(self, head: RequestHead) -> bool:
        return head.path == AGENT_SOCKET_PATH

    def open(self, stream: ByteStream, head: RequestHead) -> Serving:
        shown = Credentials(
            authorization=head.header("authorization"),
            access_token=head.query("access_token"),
            ticket=head.query("ticket"),
        )

        def client_of(principal: Principal) -> ClientSocket:
            speaks = partial(AgentConversation, own=self._own, principal=principal)
            return ClientSocket(stream, self._services, self._encoder, speaks, beat_seconds=self._own.beat_seconds)

        return open_identified(
            stream,
            self._authenticator.recall(shown),
            # A page can send no header with an upgrade: a ticket, which lives for a minute, is what it has.
            partial(self._authenticator.identify, shown, reads=True),
            _refusal,
            client_of,
            switching_protocols(head),
            self._services.options.close_seconds,
        )


class AgentConversation:
    """Answers at once what can be; queries and tool calls go through the connection's queue."""

    __slots__ = ("_attendance", "_client", "_own", "_principal", "_rooms", "_work")

    def __init__(self, client: ClientSocket, own: AgentServices, principal: Principal) -> None:
        self._client = client
        self._own = own
        self._principal = principal
        self._attendance: Attendance | None = None
        self._work = AgentWork(client, own.toolbox, own.work)
        self._rooms = AgentRooms(client, own.rooms)

    def greet(self) -> None:
        self._client.identify(self._principal, None)
        self._attendance = self._own.roster.enter(str(uuid.uuid4()), self._principal.user_id)
        if self._attendance is None:
            message = f"Too many connections: there are {self._own.roster.limit} already"
            self._client.reply(agent_replies.error((), message))
            self._client.close(CloseCode.TRY_LATER, message)
        else:
            self._client.reply(agent_replies.connected(self._attendance.id))
            self._client.flush()

    def end(self) -> None:
        self._work.leave()
        self._rooms.end()
        if self._attendance is not None:
            self._own.roster.leave(self._attendance)

    def answer(self, text: str) -> Awaitable[None] | None:
        """Handles one frame, whatever it holds. What concerns a room or a question waits until that is taken;
        neither a ping nor a cancel ever waits for a query or a tool."""
        if self._attendance is not None:
            self._own.roster.count_message(self._attendance)
        over_rate = self._client.over_rate()
        try:
            request = agent.decode(text)
        except agent.RefusedError as refused:
            message = refused.message if over_rate is None else over_rate.message
            self._client.reply(agent_replies.error(refused.echo, message))
            return None
        try:
            if over_rate is not None:
                raise over_rate
            return self._carry_out(request)
        # The edge of a request: what is wrong with one must not end all that its connection follows.
        except Exception as error:  # noqa: BLE001
            self._client.reply(_refused(request, error))
            return None

    def _carry_out(self, request: agent.Request) -> Awaitable[None] | None:
        """Answers at once, or returns what does so later."""
        match request.command:
            case agent.Ping():
                self._client.reply(agent_replies.frame(request.echo, "pong"))
            case agent.Cancel(task_id=str(task_id)):
                return self._reply_to(request, self._cancel(request.echo, task_id))
            case agent.Cancel():
                self._client.reply(agent_replies.cancelled(request.echo, self._work.cancel()))
            case agent.Query() | agent.ToolCall():
                self._work.add(request, request.command)
            case ConfirmStep() | AnswerToolCall():
                return self._reply_to(request, self._answer_question(request.echo, request.command))
            case agent.Watch(snapshot=True):
                return self._reply_to(request, self._watch_with_snapshot(request, request.command))
            case agent.Watch():
                self._watch(request, request.command)
            case agent.WatchAll():
                return self._watch_all(request, request.command)
            case agent.UnwatchAll(channel):
                rest = self._client.connection.leave_channel(channel)
                self._client.reply(agent_replies.frame(request.echo, "unwatched", channel=channel))
                return rest
            case agent.Unwatch():
                topic = request.command.topic
                self._client.connection.let_go(self._key(topic))
                self._client.reply(agent_replies.unwatched(request.echo, topic))
            case agent.History():
                return self._reply_to(request, self._history(request.echo, request.command))
            case agent.JoinRoom() | agent.LeaveRoom() | agent.TalkInRoom() | agent.ListMembers():
                return self._reply_to(request, self._rooms.carry_out(request.echo, request.command))
            case _:
                assert_never(request.command)
        return None

    async def _cancel(self, echo: agent.Echo, task_id: str) -> None:
        """Any task of the client's, by whatever it was started. Who watches it is told `cancelled` at its end, which
        may come before this reply."""
        await self._client.services.router.command_task(self._client.principal, CancelTask(task_id))
        self._client.push(agent_replies.frame(echo, "cancel_accepted", task_id=task_id))

    async def _history(self, echo: agent.Echo, asked: agent.History) -> None:
        page = await self._client.services.router.page_of(self._key(asked.topic), asked.start, asked.limit)
        self._client.push(agent_replies.history(echo, asked.topic, page))

    async def _answer_question(self, echo: agent.Echo, command: QuestionAnswer) -> None:
        await self._client.services.router.command_task(self._client.principal, command)
        self._client.push(agent_replies.answer_taken(echo, command))

    async def _reply_to(self, request: agent.Request, work: Awaitable[None]) -> None:
        try:
            await work
        # The edge of a request, as above.
        except Exception as error:  # noqa: BLE001
            self._client.push(_refused(request, error))

    def _key(self, topic: agent.Topic) -> ChannelKey:
        """Raises CallboardError where the client may not see it."""
        principal = self._client.principal
        if topic.channel == "room":
            return self._own.rooms.key(principal, topic.name)
        return self._client.services.router.resolve(principal, topic.channel, topic.name)

    async def _watch_with_snapshot(self, request: agent.Request, asked: agent.Watch) -> None:
        client, topic = self._client, asked.topic
        # What was answered before does not wait for this, nor does this add to replies that are not read.
        client.flush()
        await client.outbox.wait_for_room()
        snapshots = await client.services.router.snapshots_of(client.principal, topic.channel, (topic.name,))
        self._watch(request, asked, snapshots[topic.name])

    def _watch(self, request: agent.Request, asked: agent.Watch, snapshot: Event | None = None) -> None:
        connection, most = self._client.connection, self._client.services.options.subscriptions
        key = self._key(asked.topic)
        if connection.subscriptions >= most:
            raise CallboardError(ErrorCode.RATE_LIMITED, f"a connection watches at most {most} topics")
        admission = connection.admission(key, asked.start, snapshot)
        self._client.reply(agent_replies.watching(request.echo, asked.topic, admission))
        # The reply goes first: what is written at once would overtake it.
        self._client.flush()
        connection.hold(admission)

    def _watch_all(self, request: agent.Request, asked: agent.WatchAll) -> Awaitable[None] | None:
        connection = self._client.connection
        admissions = connection.admit(asked.channel, {}, everything=True)
        self._client.reply(agent_replies.frame(request.echo, "watching", channel=asked.channel))
        # The reply goes first, as above.
        self._client.flush()
        return connection.enter(asked.channel, admissions, everything=True)


def _refused(request: agent.Request, error: Exception) -> bytes:
    """What is not the client's fault is logged, and told to it without a detail."""
    details: dict[str, Json] = {}
    if isinstance(error, CallboardError):
        message, details = error.message, error.details
    else:
        _log.error("a request of the agent dialect failed: %s", type(request.command).__name__, exc_info=error)
        message = "the engine failed to answer; it has logged why"
    match request.command:
        case agent.Query() | agent.ToolCall():
            return agent_replies.failed(request, message)
        case _:
            return agent_replies.error(request.echo, message, details)


def _refusal(error: CallboardError) -> bytes:
    return error_reply(http_status(error.code), error.code, error.message, retry_after=error.retry_after)
