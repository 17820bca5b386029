"""Pipelines and their rooms: who may be in which, and what is said and done there."""

from __future__ import annotations

from typing import TypeAlias

import msgspec
import trio

from actors.addresses import broadcasts_of
from actors.commands import CreateSession, ExecStarted, Say
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Json, check_topic, draft, now_ms
from actors.feed import Feed
from actors.feeds import FEED_CHANNEL, Feeds
from actors.members import Members, MemberStore
from actors.principal import Principal, Scope
from actors.resumption import Resumption
from actors.retention import Retention
from actors.router import Router
from actors.session import Session
from actors.uploads import UploadStore
from transport.dialects.pipeline import SESSION_TYPES, Chat, Echo, SessionType
from transport.dialects.pipeline_elements import bytes_in, encode_chain, text_of, without_base64
from transport.dialects.pipeline_projection import RoomOptions, RoomProjection
from transport.pipeline_files import RoomFiles, address
from transport.pipeline_groups import KnownPipeline, PipelineGroups
from transport.pipeline_presence import RoomsPresence
from transport.pipeline_recalls import Recalls
from transport.pipeline_room import GROUP, Room, session_key, tell
from transport.pipeline_seats import Seat, Seats, SeatsReport

_REPLAY_BYTES = 64 * 1024 * 1024
NO_MEMBER = "not a member of this group"

PipelineUuid: TypeAlias = str


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
    presence_seconds: float = 10.0
    """How long a user who has lost its last connection is still there."""


class Pipelines:
    """All pipelines of the engine."""

    def __init__(
        self,
        router: Router,
        feeds: Feeds,
        uploads: UploadStore,
        options: PipelinesOptions,
        members: MemberStore | None = None,
    ) -> None:
        """`members`: of the groups; without them, in memory, those of the pipelines that are known."""
        self.options = options
        self.seats = Seats()
        self._router = router
        self._feeds = feeds
        self.files = RoomFiles(uploads)
        self.recalls = Recalls(router, feeds, self.files, options.recall_seconds)
        known = {one.uuid: one.members for one in options.known if one.members}
        self._groups = PipelineGroups(Members(known) if members is None else members)
        self._presence = RoomsPresence(router.channels, options.presence_seconds)
        self._known = {pipeline.uuid: pipeline for pipeline in options.known}
        router.channels.at_forgotten("session", lambda session: feeds.forget(_feed_key(session.topic, session.owner)))

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
            title=f"{uuid} ({session_type})", agent=pipeline.agent, key=session_key(uuid, session_type)
        )
        session = await self._router.open_session(principal, command)
        feed, projection = self._open_feed(session, session_type)
        await feed.ready()
        tail = self._router.log(session.key).tail
        if feed.reader.is_behind(session.key, tail):
            # A room that is made again of what was said, as after an import, is not looked into before it is whole.
            await feed.catch_up(session.key, tail)
        return Room(pipeline, session_type, principal, session, feed, projection.messages)

    async def say(self, room: Room, user: Principal, connection_id: str, chat: Chat, echo: Echo) -> ExecStarted:
        """Bytes in the message move to the store first. Raises CallboardError, as BUSY where too many tasks run."""
        addresses = iter([address(room, await self.files.keep(room, *file)) for file in bytes_in(chat.chain)])
        chain = without_base64(chat.chain, lambda data, name: next(addresses))
        details: dict[str, Json] = {
            "user_id": user.user_id,
            "connection_id": connection_id,
            "chain": encode_chain(chain),
            "stream": chat.stream,
            "echo": echo,
        }
        command = Say(session_id=room.session.id, content=text_of(chain), details=details)
        return await self._router.say(room.principal, command)

    async def reset(self, room: Room) -> None:
        """Forgets what was said in the room, with its files: the next message is number 1. What is being answered is
        let go. Raises CallboardError UNAVAILABLE, and has done nothing but forgotten files."""
        # Where nothing can be kept it is refused here, and not half way.
        await self._router.channels.keeper.keep()
        await self.files.forget_all(room)
        # From here on it is done whole, and kept before anyone hears of it.
        room.session.clear()
        await tell(self._router.channels, room, draft("chat.reset", {"at": now_ms()}), patient=True)

    async def mark_read(self, room: Room, user: Principal, message_id: int, echo: Echo) -> bool:
        """Moves the user's marker on, and returns whether it does move. Raises CallboardError NOT_FOUND."""
        if message_id > room.messages.last_id:
            raise CallboardError(ErrorCode.NOT_FOUND, f"no message {message_id}")
        await trio.lowlevel.checkpoint()
        if message_id <= room.messages.read_by(user.user_id):
            return False
        told: Json = {"message_id": message_id, "user_id": user.user_id, "echo": echo}
        await tell(self._router.channels, room, draft("chat.read", told))
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
            for session in self._router.sessions.keyed(session_key(pipeline.uuid, session_type)):
                await self._router.channels.publish(session.key, news)
        await trio.lowlevel.checkpoint()

    async def arrive(self, room: Room, user: Principal, connection_id: str) -> None:
        """The user is there from now on, and the others in the room are told."""
        await self._presence.arrive(room.feed.key, user.user_id, connection_id, shared=room.is_shared)

    async def leave(self, room: Room, user: Principal, connection_id: str) -> None:
        """The client has said goodbye: without another one its user is gone at once."""
        await self._presence.leave(room.feed.key, user.user_id, connection_id)

    def lose(self, room: Room, user: Principal, connection_id: str) -> None:
        """The connection is gone: without another one its user stays for the time of grace. Idempotent."""
        self._presence.lose(room.feed.key, user.user_id, connection_id, trio.current_time())

    async def round(self, now: float) -> None:
        """Tells who has been gone for longer than the time of grace. `now` is trio's time."""
        await self._presence.round(now)

    def online(self, room: Room) -> tuple[str, ...]:
        """The users who are in the room, in the order in which they came."""
        return self._presence.online(room.feed.key)

    def members(self, room: Room) -> tuple[str, ...]:
        """The users who may be in a group; of one that is open, those who are in it or have said something."""
        members = self._groups.members(room.pipeline)
        if members is not None:
            return members
        spoke = {message.user_id for message in room.messages.all() if message.role == "user"}
        return tuple(sorted(user for user in spoke.union(self.online(room)) if user))

    def is_open(self, pipeline: KnownPipeline) -> bool:
        """Whether everybody may be in its group."""
        return self._groups.members(pipeline) is None

    async def add_member(self, by: Principal, uuid: PipelineUuid, user_id: str) -> None:
        """Lets a user into a group. The first one closes it to all others. Idempotent. Raises CallboardError."""
        pipeline = self.find(uuid)
        was_open = self.is_open(pipeline)
        await self._groups.add(by, pipeline, user_id)
        if was_open:
            await self._expel(pipeline)

    async def remove_member(self, by: Principal, uuid: PipelineUuid, user_id: str) -> None:
        """From now on the user is not served there, neither live nor in history. Raises CallboardError."""
        pipeline = self.find(uuid)
        await self._groups.remove(by, pipeline, user_id)
        await self._expel(pipeline)

    async def _expel(self, pipeline: KnownPipeline) -> None:
        """Ends the connections of those who may not be in the group any more."""
        expelled = [seat for seat in self.seats.of_group(pipeline.uuid) if not self._admits(seat.user, pipeline)]
        for seat in expelled:
            seat.expel()
        for seat in expelled:
            await self._presence.leave(seat.place, seat.user.user_id, seat.connection_id)
        await trio.lowlevel.checkpoint()

    def connections(self, user: Principal, uuid: PipelineUuid) -> SeatsReport:
        """Who is connected to the pipeline, of the rooms that the user may be in. Raises CallboardError NOT_FOUND."""
        pipeline = self.find(uuid)
        return self.seats.report(pipeline.uuid, lambda seat: self._sees(user, seat))

    def _sees(self, user: Principal, seat: Seat) -> bool:
        if user.is_admin or user.user_id == seat.user.user_id:
            return True
        return seat.session_type == "group" and self._admits(user, self.find(seat.pipeline_uuid))

    def _owner(self, user: Principal, pipeline: KnownPipeline, session_type: SessionType) -> Principal:
        if session_type == "person" or not self.options.auth_required:
            return user
        if not self._admits(user, pipeline):
            raise CallboardError(ErrorCode.FORBIDDEN, NO_MEMBER)
        return Principal(f"{GROUP}{pipeline.uuid}")

    def _admits(self, user: Principal, pipeline: KnownPipeline) -> bool:
        return not self.options.auth_required or self._groups.admits(user, pipeline)

    def _open_feed(self, session: Session, session_type: SessionType) -> tuple[Feed, RoomProjection]:
        """A room that was given up for lack of an audience is made again: of what is kept of it, or else of what its
        session's log still holds."""
        made: list[RoomProjection] = []

        key = _feed_key(session.id, session.user_id)
        is_kept = self._router.channels.keeps(key)

        def make() -> RoomProjection:
            owner = "" if session.user_id.startswith(GROUP) else session.user_id
            projection = RoomProjection(session_type, owner, self.options.room)
            log = self._router.log(session.key)
            for event in [] if is_kept else log.read(0, max_events=log.tail, max_bytes=_REPLAY_BYTES):
                projection.project(event, 0.0)
            made.append(projection)
            return projection

        with self._feeds.beginning():
            feed = self._feeds.open(key, self.options.retention, make)
            if made:
                # One that is kept goes on where it was.
                read = 0 if is_kept else self._router.log(session.key).tail
                feed.add(session.key, Resumption(read, None))
                broadcasts = broadcasts_of(session.user_id)
                feed.add(broadcasts, self._router.start_of(broadcasts, "live"))
                return feed, made[0]
        if not isinstance(feed.projection, RoomProjection):
            raise TypeError(f"{key} is no room")
        return feed, feed.projection


def _feed_key(session_id: str, owner: str) -> ChannelKey:
    return ChannelKey(FEED_CHANNEL, f"room.{session_id}", owner)
