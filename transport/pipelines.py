"""Pipelines and their rooms: who may be in which, and what is said and done there."""

from __future__ import annotations

from typing import TypeAlias
from urllib.parse import quote

import msgspec
import trio

from actors.addresses import broadcasts_of
from actors.commands import CancelTask, CreateSession, ExecStarted, Say
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Json, check_topic, draft, now_ms
from actors.feed import Feed
from actors.feeds import FEED_CHANNEL, Feeds
from actors.log import Resumption, Retention
from actors.principal import Principal, Scope
from actors.router import Router
from actors.session import Session
from actors.uploads import Upload, UploadStore
from transport.dialects.pipeline import SESSION_TYPES, Chat, Echo, SessionType
from transport.dialects.pipeline_elements import encode_chain, text_of, without_base64
from transport.dialects.pipeline_messages import RoomMessage, RoomMessages
from transport.dialects.pipeline_projection import RoomOptions, RoomProjection
from transport.media_type import sniff
from transport.pipeline_seats import Seats

_REPLAY_BYTES = 64 * 1024 * 1024
_NAME_CHARACTERS = 255
_GROUP = "\x1dgroup "
"""Begins the name that owns a group's sessions: no user's can, since it cannot be printed."""

PipelineUuid: TypeAlias = str


class KnownPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """`agent` answers; empty for the engine's default one. `members` may be in its group, everybody where there are
    none; `moderators` may recall what others say."""

    uuid: PipelineUuid
    agent: str = ""
    members: tuple[str, ...] = ()
    moderators: tuple[str, ...] = ()


class PipelinesOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`known`: the pipelines that there are; without any, every uuid is one. `retention`: of a room's frames, for those
    who come back."""

    auth_required: bool = True
    known: tuple[KnownPipeline, ...] = ()
    room: RoomOptions = RoomOptions()
    retention: Retention = Retention(events=2_000, bytes=8 * 1024 * 1024)
    broadcast_characters: int = 100_000
    recall_seconds: float = 120.0
    """How long an author may recall a message."""


class Room(msgspec.Struct, frozen=True):
    """The conversation of one pipeline and session type, for one user or one group."""

    pipeline: KnownPipeline
    session_type: SessionType
    principal: Principal
    """Acts for the room: its session's owner."""
    session: Session
    feed: Feed
    messages: RoomMessages


class Pipelines:
    """All pipelines of the engine."""

    def __init__(self, router: Router, feeds: Feeds, uploads: UploadStore, options: PipelinesOptions) -> None:
        self.options = options
        self.seats = Seats()
        self._router = router
        self._feeds = feeds
        self._uploads = uploads
        self._known = {pipeline.uuid: pipeline for pipeline in options.known}

    def find(self, uuid: PipelineUuid) -> KnownPipeline:
        """Raises CallboardError NOT_FOUND."""
        known = self._known.get(uuid)
        if known is not None:
            return known
        try:
            check_topic(uuid)
        except CallboardError as error:
            raise CallboardError(ErrorCode.NOT_FOUND, "pipeline not found") from error
        if self._known:
            raise CallboardError(ErrorCode.NOT_FOUND, "pipeline not found")
        return KnownPipeline(uuid=uuid)

    async def room(self, user: Principal, uuid: PipelineUuid, session_type: SessionType) -> Room:
        """The room of that name that the user may be in, made where there is none.

        Raises CallboardError NOT_FOUND, FORBIDDEN for a group that the user is no member of, BUSY.
        """
        pipeline = self.find(uuid)
        principal = self._owner(user, pipeline, session_type)
        command = CreateSession(
            title=f"{uuid} ({session_type})", agent=pipeline.agent, key=_session_key(uuid, session_type)
        )
        session = await self._router.open_session(principal, command)
        feed, projection = self._open_feed(session, session_type)
        return Room(pipeline, session_type, principal, session, feed, projection.messages)

    async def say(self, room: Room, user: Principal, connection_id: str, chat: Chat, echo: Echo) -> ExecStarted:
        """Bytes in the message move to the store first. Raises CallboardError, as BUSY where too many tasks run."""
        chain = without_base64(chat.chain, lambda data, name: upload_path(room, self.upload(room, name, data)))
        details: dict[str, Json] = {
            "user_id": user.user_id,
            "connection_id": connection_id,
            "chain": encode_chain(chain),
            "stream": chat.stream,
            "echo": echo,
        }
        command = Say(session_id=room.session.id, content=text_of(chain), details=details)
        return await self._router.say(room.principal, command)

    def upload(self, room: Room, name: str, data: bytes) -> Upload:
        """Keeps a file for those who may be in the room. Raises CallboardError TOO_LARGE, INVALID_PAYLOAD."""
        if not data:
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "the file is empty")
        return self._uploads.put(room.principal.user_id, name[:_NAME_CHARACTERS], sniff(data), data)

    def uploaded(self, room: Room, key: str) -> Upload:
        """Raises CallboardError NOT_FOUND."""
        return self._uploads.find(room.principal.user_id, key)

    async def reset(self, room: Room) -> None:
        """Forgets what was said in the room: the next message is number 1. What is being answered is let go."""
        room.session.clear()
        await self._tell(room, "chat.reset", {"at": now_ms()})

    async def recall(self, room: Room, user: Principal, message_id: int, echo: Echo) -> None:
        """Leaves a tombstone in the message's place. Its author may for some time, admins and moderators at any; an
        answer that is still to come to it is cancelled.

        Raises CallboardError NOT_FOUND, CONFLICT where it is recalled already, FORBIDDEN.
        """
        message = room.messages.find(message_id)
        if message is None:
            raise CallboardError(ErrorCode.NOT_FOUND, f"no message {message_id}")
        if message.recalled:
            raise CallboardError(ErrorCode.CONFLICT, f"message {message_id} is recalled already")
        self._check_recall(room, user, message)
        room.session.redact(message.task_id, message.role, message.content if message.is_final else None)
        told: Json = {"message_id": message_id, "by": user.user_id, "echo": echo}
        await self._tell(room, "chat.recalled", told)
        if message.role == "user":
            await self._cancel(room, message.task_id)

    async def mark_read(self, room: Room, user: Principal, message_id: int, echo: Echo) -> bool:
        """Moves the user's marker on, and returns whether it does move. Raises CallboardError NOT_FOUND."""
        if message_id > room.messages.last_id:
            raise CallboardError(ErrorCode.NOT_FOUND, f"no message {message_id}")
        await trio.lowlevel.checkpoint()
        if message_id <= room.messages.read_by(user.user_id):
            return False
        told: Json = {"message_id": message_id, "user_id": user.user_id, "echo": echo}
        await self._tell(room, "chat.read", told)
        return True

    async def broadcast(self, user: Principal, uuid: PipelineUuid, message: str) -> None:
        """Tells everybody in the pipeline's rooms of both types. Raises CallboardError."""
        pipeline = self.find(uuid)
        if not message.strip():
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, "message is required")
        if len(message) > self.options.broadcast_characters:
            limit = self.options.broadcast_characters
            raise CallboardError(ErrorCode.INVALID_PAYLOAD, f"a broadcast has at most {limit} characters")
        if not user.has(Scope.PUBLISH):
            raise CallboardError(ErrorCode.FORBIDDEN, "broadcasting needs the scope `publish`")
        news = draft("broadcast", {"message": message})
        for session_type in SESSION_TYPES:
            for session in self._router.sessions.keyed(_session_key(pipeline.uuid, session_type)):
                await self._router.channels.publish(session.key, news)
        await trio.lowlevel.checkpoint()

    async def _tell(self, room: Room, event_type: str, data: Json) -> None:
        """Returns once it shows in the room."""
        position = await self._router.channels.publish(room.session.key, draft(event_type, data))
        await room.feed.catch_up(room.session.key, position.offset)

    def online(self, room: Room) -> frozenset[str]:
        """The users who are connected to the room."""
        return self.seats.users(room.pipeline.uuid, room.session_type, room.principal.user_id)

    def members(self, room: Room) -> tuple[str, ...]:
        """The users who may be in a group; of one that is open, those who are in it or have said something."""
        if room.pipeline.members:
            return room.pipeline.members
        spoke = {message.user_id for message in room.messages.all() if message.role == "user"}
        return tuple(sorted(user for user in spoke | self.online(room) if user))

    def visible_owners(self, user: Principal) -> frozenset[str] | None:
        """Whose rooms the user may see the connections of; None for everybody's."""
        if user.is_admin:
            return None
        groups = [pipeline.uuid for pipeline in self._known.values() if user.user_id in pipeline.members]
        return frozenset((user.user_id, *(f"{_GROUP}{uuid}" for uuid in groups)))

    def _check_recall(self, room: Room, user: Principal, message: RoomMessage) -> None:
        if user.is_admin or user.user_id in room.pipeline.moderators:
            return
        if message.role != "user" or message.user_id != user.user_id:
            raise CallboardError(ErrorCode.FORBIDDEN, "a message is recalled by its author or a moderator")
        if now_ms() - message.timestamp > self.options.recall_seconds * 1000:
            limit = self.options.recall_seconds
            raise CallboardError(ErrorCode.FORBIDDEN, f"a message can be recalled for {limit:g} seconds")

    async def _cancel(self, room: Room, task_id: str) -> None:
        try:
            await self._router.command_task(room.principal, CancelTask(task_id))
        except CallboardError as error:
            # It may have ended so long ago that it is forgotten.
            if error.code is not ErrorCode.NOT_FOUND:
                raise

    def _owner(self, user: Principal, pipeline: KnownPipeline, session_type: SessionType) -> Principal:
        if session_type == "person" or not self.options.auth_required:
            return user
        if pipeline.members and user.user_id not in pipeline.members and not user.is_admin:
            raise CallboardError(ErrorCode.FORBIDDEN, "not a member of this group")
        return Principal(f"{_GROUP}{pipeline.uuid}")

    def _open_feed(self, session: Session, session_type: SessionType) -> tuple[Feed, RoomProjection]:
        """A room that was given up for lack of an audience is made again of what its session's log still holds."""
        made: list[RoomProjection] = []

        def make() -> RoomProjection:
            owner = "" if session.user_id.startswith(_GROUP) else session.user_id
            projection = RoomProjection(session_type, owner, self.options.room)
            log = self._router.log(session.key)
            for event in log.read(0, max_events=log.tail, max_bytes=_REPLAY_BYTES):
                projection.project(event, 0.0)
            made.append(projection)
            return projection

        key = ChannelKey(FEED_CHANNEL, f"room.{session.id}", session.user_id)
        feed = self._feeds.open(key, self.options.retention, make)
        if made:
            feed.reader.add(session.key, Resumption(self._router.log(session.key).tail, None))
            broadcasts = broadcasts_of(session.user_id)
            feed.reader.add(broadcasts, self._router.start_of(broadcasts, "live"))
            return feed, made[0]
        if not isinstance(feed.projection, RoomProjection):
            raise TypeError(f"{key} is no room")
        return feed, feed.projection


def upload_path(room: Room, upload: Upload) -> str:
    """Where the file is to be had, on the engine's own port."""
    return f"/api/v1/pipelines/{quote(room.pipeline.uuid)}/ws/uploads/{room.session_type}/{upload.key}"


def _session_key(uuid: PipelineUuid, session_type: SessionType) -> str:
    return f"pipeline {session_type} {uuid}"
