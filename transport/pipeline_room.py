"""A room: the conversation of one pipeline and session type."""

from __future__ import annotations

import msgspec

from actors.channels import Channels
from actors.event import Draft
from actors.feed import Feed
from actors.principal import Principal
from actors.session import Session
from transport.dialects.pipeline import SessionType
from transport.dialects.pipeline_messages import RoomMessages
from transport.pipeline_groups import KnownPipeline

GROUP = "\x1dgroup "
"""Begins the name that owns a group's sessions: no user's can, since it cannot be printed."""


class Room(msgspec.Struct, frozen=True):
    """The conversation of one pipeline and session type, for one user or one group."""

    pipeline: KnownPipeline
    session_type: SessionType
    principal: Principal
    """Acts for the room: its session's owner."""
    session: Session
    feed: Feed
    messages: RoomMessages

    @property
    def is_shared(self) -> bool:
        """Whether it is for several users."""
        return self.principal.user_id.startswith(GROUP)

    @property
    def key(self) -> str:
        """Of its session, and of its files."""
        return session_key(self.pipeline.uuid, self.session_type)


def session_key(pipeline_uuid: str, session_type: SessionType) -> str:
    return f"pipeline {session_type} {pipeline_uuid}"


async def tell(channels: Channels, room: Room, *drafts: Draft, patient: bool = False) -> None:
    """Returns once it shows in the room. Where nothing can be kept it is refused, unless it is `patient`.

    Raises CallboardError BUSY, UNAVAILABLE."""
    if patient:
        position = await (await channels.submit(room.session.key, *drafts, patient=True)).wait()
    else:
        position = await channels.publish(room.session.key, *drafts)
    await room.feed.catch_up(room.session.key, position.offset)
