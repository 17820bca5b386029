"""Who may be in the group of a pipeline, and who decides that."""

from __future__ import annotations

import msgspec

from actors.errors import CallboardError, ErrorCode
from actors.members import MemberStore
from actors.principal import Principal, is_user_id


class KnownPipeline(msgspec.Struct, frozen=True, kw_only=True):
    """`agent` answers; empty for the engine's default one. `members` are in its group from the start; without any it
    is open to everybody. `moderators` may recall what others say, and say who its members are."""

    uuid: str
    agent: str = ""
    members: tuple[str, ...] = ()
    moderators: tuple[str, ...] = ()


class PipelineGroups:
    """The groups of all pipelines. Moderators and admins may be in each of theirs."""

    def __init__(self, store: MemberStore) -> None:
        self._store = store

    def members(self, pipeline: KnownPipeline) -> tuple[str, ...] | None:
        """None for a group that is open."""
        return self._store.of(pipeline.uuid)

    def admits(self, user: Principal, pipeline: KnownPipeline) -> bool:
        members = self._store.of(pipeline.uuid)
        return members is None or user.user_id in members or moderates(user, pipeline)

    async def add(self, by: Principal, pipeline: KnownPipeline, user_id: str) -> bool:
        """Whether the user is new there. The first member closes an open group to all others.

        Raises CallboardError FORBIDDEN, INVALID_PAYLOAD, TOO_LARGE.
        """
        _check(by, pipeline, user_id)
        return await self._store.add(pipeline.uuid, user_id)

    async def remove(self, by: Principal, pipeline: KnownPipeline, user_id: str) -> None:
        """Members may leave by themselves. Raises CallboardError FORBIDDEN, INVALID_PAYLOAD, NOT_FOUND for no
        member."""
        if by.user_id != user_id:
            _check(by, pipeline, user_id)
        if not await self._store.remove(pipeline.uuid, user_id):
            raise CallboardError(ErrorCode.NOT_FOUND, "no such member")


def moderates(user: Principal, pipeline: KnownPipeline) -> bool:
    return user.is_admin or user.user_id in pipeline.moderators


def _check(by: Principal, pipeline: KnownPipeline, user_id: str) -> None:
    if not moderates(by, pipeline):
        raise CallboardError(ErrorCode.FORBIDDEN, "who is in a group is for its moderators to say")
    if not is_user_id(user_id):
        raise CallboardError(ErrorCode.INVALID_PAYLOAD, "`user_id` is 1 to 200 printable characters")
