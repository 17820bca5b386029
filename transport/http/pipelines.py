"""`/api/v1/pipelines`: the history, the connections and the broadcasts of pipelines, beside their WebSocket."""

from __future__ import annotations

from typing import Any

import msgspec

from actors.principal import Principal
from transport.dialects.pipeline import session_type_of
from transport.http.errors import CodedRefusal
from transport.http.route import Answer, AnyRoute, Call, Nothing, Route
from transport.pipeline_room import Room
from transport.pipelines import Pipelines

_TAG = "pipelines"
_BASE = "/api/v1/pipelines/{pipeline_uuid}/ws"


class History(msgspec.Struct, frozen=True):
    """The newest messages, oldest first; `read` is the last message that each user has read."""

    messages: list[dict[str, Any]]
    read: dict[str, int]


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    code: int = 0
    msg: str = "ok"
    data: History


class Note(msgspec.Struct, frozen=True):
    message: str


class NoteAnswer(msgspec.Struct, frozen=True, kw_only=True):
    code: int = 0
    msg: str = "ok"
    data: Note


class RoomConnections(msgspec.Struct, frozen=True):
    """`stats` counts over all pipelines, `connections` are those of the one asked for."""

    stats: dict[str, Any]
    connections: list[dict[str, Any]]


class ConnectionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    code: int = 0
    msg: str = "ok"
    data: RoomConnections


class MemberJson(msgspec.Struct, frozen=True):
    """`online`: connected to the group right now."""

    user_id: str
    moderator: bool
    online: bool


class Members(msgspec.Struct, frozen=True):
    """`open`: everybody may be in the group; then its members are those who are connected or have said something."""

    open: bool
    members: list[MemberJson]


class MembersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    code: int = 0
    msg: str = "ok"
    data: Members


class Online(msgspec.Struct, frozen=True):
    """In the order in which they came; who has lost its last connection is there for some seconds more."""

    online: list[str]


class OnlineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    code: int = 0
    msg: str = "ok"
    data: Online


class GroupMember(msgspec.Struct, frozen=True):
    user_id: str


class NewBroadcast(msgspec.Struct, frozen=True):
    message: str = ""


class PipelinesApi:
    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines

    async def messages(self, call: Call[Nothing, Nothing]) -> Answer[HistoryAnswer]:
        room = await self._room(call)
        told = [message.data() for message in room.messages.all()]
        return Answer(HistoryAnswer(data=History(told, room.messages.markers())))

    async def reset(self, call: Call[Nothing, Nothing]) -> Answer[NoteAnswer]:
        await self._pipelines.reset(await self._room(call))
        return Answer(NoteAnswer(data=Note("Session reset successfully")))

    async def connections(self, call: Call[Nothing, Nothing]) -> Answer[ConnectionsAnswer]:
        report = self._pipelines.connections(call.principal, call.path["pipeline_uuid"])
        return Answer(ConnectionsAnswer(data=RoomConnections(report.stats, report.connections)))

    async def members(self, call: Call[Nothing, Nothing]) -> Answer[MembersAnswer]:
        return Answer(await self._members(call.principal, call.path["pipeline_uuid"]))

    async def add_member(self, call: Call[GroupMember, Nothing]) -> Answer[MembersAnswer]:
        uuid = call.path["pipeline_uuid"]
        await self._pipelines.add_member(call.principal, uuid, call.body.user_id)
        return Answer(await self._members(call.principal, uuid))

    async def remove_member(self, call: Call[GroupMember, Nothing]) -> Answer[NoteAnswer]:
        await self._pipelines.remove_member(call.principal, call.path["pipeline_uuid"], call.body.user_id)
        return Answer(NoteAnswer(data=Note("Member removed successfully")))

    async def presence(self, call: Call[Nothing, Nothing]) -> Answer[OnlineAnswer]:
        room = await self._room(call)
        return Answer(OnlineAnswer(data=Online(list(self._pipelines.online(room)))))

    async def _members(self, principal: Principal, uuid: str) -> MembersAnswer:
        room = await self._pipelines.room(principal, uuid, "group")
        online, moderators = self._pipelines.online(room), room.pipeline.moderators
        told = [MemberJson(user, user in moderators, user in online) for user in self._pipelines.members(room)]
        return MembersAnswer(data=Members(self._pipelines.is_open(room.pipeline), told))

    async def broadcast(self, call: Call[NewBroadcast, Nothing]) -> Answer[NoteAnswer]:
        await self._pipelines.broadcast(call.principal, call.path["pipeline_uuid"], call.body.message)
        return Answer(NoteAnswer(data=Note("Broadcast sent successfully")))

    async def _room(self, call: Call[Nothing, Nothing]) -> Room:
        uuid = call.path["pipeline_uuid"]
        self._pipelines.find(uuid)
        return await self._pipelines.room(call.principal, uuid, session_type_of(call.path["session_type"]))

    def routes(self) -> list[AnyRoute]:
        return [
            Route(
                method="GET",
                path=f"{_BASE}/messages/{{session_type}}",
                handler=self.messages,
                tag=_TAG,
                summary="Read a room's messages",
                body=Nothing,
                query=Nothing,
                answer=HistoryAnswer,
                errors=(403, 404, 503),
                refusal=CodedRefusal,
            ),
            Route(
                method="POST",
                path=f"{_BASE}/reset/{{session_type}}",
                handler=self.reset,
                tag=_TAG,
                summary="Forget a room's messages",
                body=Nothing,
                query=Nothing,
                answer=NoteAnswer,
                errors=(403, 404, 503),
                refusal=CodedRefusal,
            ),
            Route(
                method="GET",
                path=f"{_BASE}/connections",
                handler=self.connections,
                tag=_TAG,
                summary="Read who is connected",
                body=Nothing,
                query=Nothing,
                answer=ConnectionsAnswer,
                errors=(404,),
                refusal=CodedRefusal,
            ),
            Route(
                method="GET",
                path=f"{_BASE}/members",
                handler=self.members,
                tag=_TAG,
                summary="Read who is in a pipeline's group",
                body=Nothing,
                query=Nothing,
                answer=MembersAnswer,
                errors=(403, 404, 503),
                refusal=CodedRefusal,
            ),
            Route(
                method="POST",
                path=f"{_BASE}/members",
                handler=self.add_member,
                tag=_TAG,
                summary="Let a user into a pipeline's group (moderators); the first one closes an open group",
                body=GroupMember,
                example={"user_id": "ann"},
                query=Nothing,
                answer=MembersAnswer,
                errors=(403, 404, 413, 503),
                refusal=CodedRefusal,
            ),
            Route(
                method="POST",
                path=f"{_BASE}/members/remove",
                handler=self.remove_member,
                tag=_TAG,
                summary="Take a user out of a pipeline's group (moderators, and users themselves)",
                body=GroupMember,
                example={"user_id": "ann"},
                query=Nothing,
                answer=NoteAnswer,
                errors=(403, 404),
                refusal=CodedRefusal,
            ),
            Route(
                method="GET",
                path=f"{_BASE}/presence/{{session_type}}",
                handler=self.presence,
                tag=_TAG,
                summary="Read who is in a room",
                body=Nothing,
                query=Nothing,
                answer=OnlineAnswer,
                errors=(403, 404, 503),
                refusal=CodedRefusal,
            ),
            Route(
                method="POST",
                path=f"{_BASE}/broadcast",
                handler=self.broadcast,
                tag=_TAG,
                summary="Tell everybody in a pipeline's rooms (scope `publish`)",
                body=NewBroadcast,
                example={"message": "这是一条广播消息"},
                query=Nothing,
                answer=NoteAnswer,
                errors=(403, 404),
                refusal=CodedRefusal,
            ),
        ]
