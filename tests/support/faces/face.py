"""What a client of any dialect can be asked to do, and what it can tell of what it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

State: TypeAlias = Literal["completed", "failed", "cancelled"]


class Ending(msgspec.Struct, frozen=True):
    """How a task ended, and all that its agent said."""

    state: State
    text: str


class Said(msgspec.Struct, frozen=True):
    """A message of a conversation."""

    role: str
    content: str


class NotInDialectError(Exception):
    """The dialect has no request for this."""


class Face(Protocol):
    """One client that watches all it can from its greeting on. Every wait fails after ten seconds."""

    async def start(self, prompt: str, session_id: str | None) -> None:
        """A task in that conversation; with None in none, or in a new one where the dialect knows no other."""
        ...

    async def cancel(self, task_id: str) -> None: ...

    async def broadcast(self, session_id: str, message: str) -> None: ...

    async def see_begin(self) -> str:
        """The id of the next task that is seen to run."""
        ...

    async def see_end(self) -> Ending:
        """Of the next task that is seen to end."""
        ...

    async def see_broadcast(self) -> str: ...

    async def learn_broadcast(self, session_id: str) -> str:
        """The first one in the conversation that somebody who comes now still learns of."""
        ...

    async def history(self, session_id: str, count: int) -> Sequence[Said]:
        """What somebody who comes now can still learn of the first `count` messages of the conversation."""
        ...
