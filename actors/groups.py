"""Things by what they have in common, so that those of one owner are found without a look at everybody's."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

G = TypeVar("G", bound=Hashable)
T = TypeVar("T", bound=Hashable)


class Groups(Generic[G, T]):
    """Each group in the order in which its members came. A group without members takes no memory."""

    def __init__(self) -> None:
        self._groups: dict[G, dict[T, None]] = {}

    def __len__(self) -> int:
        """How many groups have a member."""
        return len(self._groups)

    def add(self, group: G, member: T) -> None:
        self._groups.setdefault(group, {})[member] = None

    def discard(self, group: G, member: T) -> bool:
        """Whether it was there."""
        members = self._groups.get(group)
        if members is None or member not in members:
            return False
        del members[member]
        if not members:
            del self._groups[group]
        return True

    def of(self, group: G) -> Collection[T]:
        """The members as they are: to be copied where they may change while they are walked over."""
        return self._groups.get(group, {}).keys()

    def newest_first(self, group: G) -> list[T]:
        return list(reversed(self._groups.get(group, {})))
