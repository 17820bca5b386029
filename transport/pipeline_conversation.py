"""A client's conversation in the pipeline dialect."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from typing import assert_never

import msgspec

from actors.commands import Start
from actors.errors import CallboardError, CloseCode, ErrorCode
from actors.event import now_ms
from actors.principal import Principal
from transport.client_socket import ClientSocket
from transport.dialects import pipeline, pipeline_replies
from transport.pipeline_room import Room
from transport.pipeline_seats import Seat
from transport.pipelines import NO_MEMBER, Pipelines

_log = logging.getLogger("callboard.pipeline")


class Wish(msgspec.Struct, frozen=True):
    """What a client asks for with its upgrade."""

    pipeline_uuid: str
    session_type: pipeline.SessionType
    start: Start


class PipelineConversation:
    """A client in a room, or on its way into one."""

    __slots__ = ("_client", "_connection_id", "_entry", "_pipelines", "_room", "_seat", "_wish")

    def __init__(
        self,
        client: ClientSocket,
        *,
        pipelines: Pipelines,
        wish: Wish,
        connection_id: str,
        entry: tuple[Principal, Room] | None = None,
    ) -> None:
        """`entry`: who comes, and the room where it has arrived; None for one who still has to say who it is."""
        self._client = client
        self._pipelines = pipelines
        self._wish = wish
        self._entry = entry
        self._connection_id = connection_id
        self._room: Room | None = None
        self._seat: Seat | None = None

    def greet(self) -> None:
        if self._entry is None:
            self._client.await_identity()
        else:
            user, room = self._entry
            self._entry = None
            self._welcome(user, room, {})

    def end(self) -> None:
        if self._seat is not None and self._room is not None:
            self._pipelines.seats.leave(self._seat)
            self._pipelines.lose(self._room, self._seat.user, self._connection_id)

    def answer(self, text: str) -> Awaitable[None] | None:
        """Handles one frame, whatever it holds."""
        if self._seat is not None:
            self._seat.last_active = now_ms()
        over_rate = self._client.over_rate()
        try:
            request = pipeline.decode(text)
        except pipeline.RefusedError as refused:
            self._refuse(refused.echo, over_rate or self._stranger_refused() or refused.error)
            return None
        if over_rate is not None:
            self._refuse(request.echo, over_rate)
            return None
        return self._carry_out(request)

    def _carry_out(self, request: pipeline.Request) -> Awaitable[None] | None:
        command, echo = request.command, request.echo
        match command:
            case pipeline.Ping():
                self._client.reply(pipeline_replies.pong(echo))
                return None
            case pipeline.Disconnect():
                return self._guarded(request, self._disconnect())
            case pipeline.Presence():
                return self._guarded(request, self._tell_presence(echo))
            case pipeline.Authenticate():
                return self._guarded(request, self._authenticate(command, echo))
            case pipeline.Chat():
                return self._guarded(request, self._say(command, echo))
            case pipeline.Recall():
                return self._guarded(request, self._recall(command, echo))
            case pipeline.Read():
                return self._guarded(request, self._read(command, echo))
            case _:
                assert_never(command)

    async def _guarded(self, request: pipeline.Request, work: Awaitable[None]) -> None:
        # What was answered before does not wait for this.
        self._client.flush()
        try:
            await work
        except CallboardError as error:
            self._refuse(request.echo, error)
        # The edge of a request: what is wrong with one must not end all that its connection follows.
        except Exception as error:  # noqa: BLE001
            _log.error("a command to a pipeline failed: %s", type(request.command).__name__, exc_info=error)
            message = "the engine failed to answer; it has logged why"
            self._refuse(request.echo, CallboardError(ErrorCode.INTERNAL, message))

    async def _authenticate(self, command: pipeline.Authenticate, echo: pipeline.Echo) -> None:
        if not self._client.services.options.auth_required:
            return
        try:
            user = await self._client.services.verifier.verify(command.token)
            room = await self._pipelines.room(user, self._wish.pipeline_uuid, self._wish.session_type)
            self.end()
            await self._pipelines.arrive(room, user, self._connection_id)
        except CallboardError as error:
            if error.code is ErrorCode.UNAUTHORIZED:
                self._client.reply(pipeline_replies.unauthorized(echo))
            else:
                self._refuse(echo, error)
            if error.code in (ErrorCode.UNAUTHORIZED, ErrorCode.FORBIDDEN):
                self._client.close(CloseCode.UNAUTHORIZED, error.message)
            return
        self._welcome(user, room, echo)

    def _welcome(self, user: Principal, room: Room, echo: pipeline.Echo) -> None:
        """Into the room, where the client goes on from the place it named. The greeting goes before what it missed."""
        self._client.identify(user, self._connection_id)
        self._sit(room, user)
        if self._room is not None:
            self._client.connection.let_go(self._room.feed.key)
        start = self._wish.start if self._room is None else "live"
        self._room = room
        admission = self._client.connection.admission(room.feed.key, start)
        self._client.reply(
            pipeline_replies.connected(
                self._connection_id,
                room.pipeline.uuid,
                room.session_type,
                room.session.id,
                admission,
                self._pipelines.online(room),
                echo,
            )
        )
        self._client.flush()
        self._client.connection.hold(admission)

    def _sit(self, room: Room, user: Principal) -> None:
        place = room.feed.key
        self._seat = Seat(self._connection_id, room.pipeline.uuid, room.session_type, place, user, self._expelled)
        self._pipelines.seats.take(self._seat)

    def _expelled(self) -> None:
        """The user may not be in the room any more: it is told, and nothing after that."""
        if self._room is not None:
            self._client.connection.let_go(self._room.feed.key)
        self._client.push(pipeline_replies.error_frame({}, CallboardError(ErrorCode.FORBIDDEN, NO_MEMBER)))
        self._client.close(CloseCode.UNAUTHORIZED, NO_MEMBER)

    async def _disconnect(self) -> None:
        """A goodbye needs no time of grace."""
        if self._seat is not None and self._room is not None:
            self._client.connection.let_go(self._room.feed.key)
            await self._pipelines.leave(self._room, self._seat.user, self._connection_id)
        self._client.close(CloseCode.NORMAL, "")

    async def _tell_presence(self, echo: pipeline.Echo) -> None:
        room = await self._present(self._client.principal)
        self._client.reply(pipeline_replies.online(room.session_type, self._pipelines.online(room), echo))

    async def _say(self, chat: pipeline.Chat, echo: pipeline.Echo) -> None:
        user = self._client.principal
        room = await self._present(user)
        await self._pipelines.say(room, user, self._connection_id, chat, echo)

    async def _recall(self, command: pipeline.Recall, echo: pipeline.Echo) -> None:
        user = self._client.principal
        await self._pipelines.recalls.recall(await self._present(user), user, command.message_id, echo)

    async def _read(self, command: pipeline.Read, echo: pipeline.Echo) -> None:
        user = self._client.principal
        room = await self._present(user)
        if not await self._pipelines.mark_read(room, user, command.message_id, echo):
            at = room.messages.read_by(user.user_id)
            self._client.reply(pipeline_replies.read_already(room.session_type, user.user_id, at, echo))

    async def _present(self, user: Principal) -> Room:
        """The room as it is now: one unused for long may have been forgotten, and is made anew."""
        room = await self._pipelines.room(user, self._wish.pipeline_uuid, self._wish.session_type)
        if self._room is not None and room.feed is not self._room.feed:
            self.end()
            await self._pipelines.arrive(room, user, self._connection_id)
            self._sit(room, user)
            self._client.connection.let_go(self._room.feed.key)
            self._client.connection.hold(self._client.connection.admission(room.feed.key, "live"))
        self._room = room
        return room

    def _stranger_refused(self) -> CallboardError | None:
        """Before its authentication a client is not told what there is."""
        if self._client.connection.principal is not None:
            return None
        return CallboardError(ErrorCode.UNAUTHORIZED, "authenticate first: {type: authenticate, token}")

    def _refuse(self, echo: pipeline.Echo, error: CallboardError) -> None:
        self._client.reply(pipeline_replies.error_frame(echo, error))
