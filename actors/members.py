"""Who belongs to a group: the port behind which it is kept, and a bounded store that is kept itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import msgspec

from actors.errors import CallboardError, ErrorCode
from actors.event import now_ms
from actors.keeper import ForgetfulKeeper, Keeper
from actors.store import Record

_MOST_GROUPS = 10_000
_MOST_MEMBERS = 10_000
MEMBER = "member"


class MemberStore(Protocol):
    """The members of closed groups. One that is not named here is open: everybody is in it."""

    def of(self, group: str) -> tuple[str, ...] | None:
        """In the order in which they came; None for an open group."""
        ...

    async def add(self, group: str, user_id: str) -> bool:
        """Whether the user is new there. An open group is closed by its first member.

        Raises CallboardError TOO_LARGE where no more are taken, UNAVAILABLE.
        """
        ...

    async def remove(self, group: str, user_id: str) -> bool:
        """Whether the user was there. A group without members stays closed. Raises CallboardError UNAVAILABLE."""
        ...


class _Change(msgspec.Struct, frozen=True):
    """What was decided last of one user in one group. `at` is Unix milliseconds."""

    group: str
    user_id: str
    belongs: bool
    at: int


class Members:
    """A `MemberStore` in memory, whose changes a keeper keeps before they count."""

    def __init__(self, closed: Mapping[str, Sequence[str]] | None = None, keeper: Keeper | None = None) -> None:
        """`closed`: the groups that there are from the start, with their members."""
        self._groups = {group: dict.fromkeys(members) for group, members in (closed or {}).items()}
        self._keeper = keeper or ForgetfulKeeper()

    def load(self, rows: Iterable[tuple[str, bytes]]) -> None:
        """Takes up the records of the kind MEMBER. What was decided goes before what there is from the start."""
        changes = (msgspec.msgpack.decode(body, type=_Change) for _, body in rows)
        for change in sorted(changes, key=lambda change: change.at):
            members = self._groups.setdefault(change.group, {})
            if change.belongs:
                members[change.user_id] = None
            else:
                members.pop(change.user_id, None)

    def of(self, group: str) -> tuple[str, ...] | None:
        members = self._groups.get(group)
        return None if members is None else tuple(members)

    async def add(self, group: str, user_id: str) -> bool:
        members = self._groups.get(group)
        if members is None and len(self._groups) >= _MOST_GROUPS:
            raise CallboardError(ErrorCode.TOO_LARGE, f"there are {_MOST_GROUPS} groups with members")
        if members is not None and user_id not in members and len(members) >= _MOST_MEMBERS:
            raise CallboardError(ErrorCode.TOO_LARGE, f"a group has at most {_MOST_MEMBERS} members")
        if members is not None and user_id in members:
            return False
        await self._keep(group, user_id, belongs=True)
        self._groups.setdefault(group, {})[user_id] = None
        return True

    async def remove(self, group: str, user_id: str) -> bool:
        if user_id not in self._groups.get(group, {}):
            return False
        await self._keep(group, user_id, belongs=False)
        self._groups[group].pop(user_id, None)
        return True

    async def _keep(self, group: str, user_id: str, *, belongs: bool) -> None:
        change = _Change(group, user_id, belongs, now_ms())
        name = msgspec.json.encode((group, user_id)).decode()
        await self._keeper.keep(Record(MEMBER, name, msgspec.msgpack.encode(change)))
