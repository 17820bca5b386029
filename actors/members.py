"""Who belongs to a group: the port behind which it is kept, and a bounded store in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from actors.errors import CallboardError, ErrorCode

_MOST_GROUPS = 10_000
_MOST_MEMBERS = 10_000


class MemberStore(Protocol):
    """The members of closed groups. One that is not named here is open: everybody is in it."""

    def of(self, group: str) -> tuple[str, ...] | None:
        """In the order in which they came; None for an open group."""
        ...

    def add(self, group: str, user_id: str) -> bool:
        """Whether the user is new there. An open group is closed by its first member.

        Raises CallboardError TOO_LARGE where no more are taken.
        """
        ...

    def remove(self, group: str, user_id: str) -> bool:
        """Whether the user was there. A group without members stays closed."""
        ...


class MemoryMembers:
    """A `MemberStore` that lasts as long as the process."""

    def __init__(self, closed: Mapping[str, Sequence[str]] | None = None) -> None:
        """`closed`: the groups that there are from the start, with their members."""
        self._groups = {group: dict.fromkeys(members) for group, members in (closed or {}).items()}

    def of(self, group: str) -> tuple[str, ...] | None:
        members = self._groups.get(group)
        return None if members is None else tuple(members)

    def add(self, group: str, user_id: str) -> bool:
        members = self._groups.get(group)
        if members is None:
            if len(self._groups) >= _MOST_GROUPS:
                raise CallboardError(ErrorCode.TOO_LARGE, f"there are {_MOST_GROUPS} groups with members")
            members = self._groups[group] = {}
        if user_id in members:
            return False
        if len(members) >= _MOST_MEMBERS:
            raise CallboardError(ErrorCode.TOO_LARGE, f"a group has at most {_MOST_MEMBERS} members")
        members[user_id] = None
        return True

    def remove(self, group: str, user_id: str) -> bool:
        members = self._groups.get(group, {})
        was_there = user_id in members
        members.pop(user_id, None)
        return was_there
