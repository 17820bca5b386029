"""Whose turn it is in a conversation. Plain: no I/O."""

from __future__ import annotations

from collections import deque

import msgspec

from actors.agent import Message
from actors.mailbox import Reply


class Enter(msgspec.Struct, frozen=True):
    """A task asks for its turn in the conversation. The reply is all that was said before."""

    task_id: str
    reply: Reply[tuple[Message, ...]]


class TurnQueue:
    """First come, first served. Those that have stood here in an earlier life of the engine are first, in their
    order: until they come again nobody has a turn."""

    __slots__ = ("_returning", "_waiting", "current", "heard")

    def __init__(self) -> None:
        self.current: str | None = None
        """The task at its turn."""
        self.heard = 0
        """How many messages of that task have been taken in."""
        self._waiting: deque[Enter] = deque()
        self._returning: deque[str] = deque()

    def take_up(self, task_id: str, *, entered: bool) -> None:
        """A task of an earlier life of the engine; called in the order of the tasks. `entered`: it was at its turn."""
        if entered:
            self.current = task_id
        else:
            self._returning.append(task_id)

    def wait(self, entry: Enter) -> None:
        """A task waits from now on. `admit` lets it in."""
        self._waiting.append(entry)

    def admit(self) -> Enter | None:
        """The next one, whose turn it is from now on; None while it is another's, or nobody's."""
        entry = None if self.current is not None else self._next()
        if entry is not None:
            self._waiting.remove(entry)
            self._strike_out(entry.task_id)
            self.current, self.heard = entry.task_id, 0
        return entry

    def leave(self, task_id: str) -> None:
        """The task is done with its turn, or gives up waiting for it."""
        if self.current == task_id:
            self.current, self.heard = None, 0
        else:
            self._waiting = deque(entry for entry in self._waiting if entry.task_id != task_id)
            self._strike_out(task_id)

    def _next(self) -> Enter | None:
        if not self._returning:
            return self._waiting[0] if self._waiting else None
        return next((entry for entry in self._waiting if entry.task_id == self._returning[0]), None)

    def _strike_out(self, task_id: str) -> None:
        if task_id in self._returning:
            self._returning.remove(task_id)
