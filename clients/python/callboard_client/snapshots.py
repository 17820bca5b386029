"""What a task or a session has come to: in place of all its events up to a position."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from callboard_client.events import Event, Gap, Position

Members: TypeAlias = dict[str, Any]
"""A JSON object."""


class TaskSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A task as its events tell it. Whatever is keyed is in the order of its first event.

    `messages` and `thinking`: the text so far, by the key of its pieces. `plan`: the last one told. `steps`,
    `tool_calls`: what was said of each, the later over the earlier. `confirmations`, `client_tool_calls`: those that
    are open. `ending`: the data of the last event. `others`: of each other type what its last event held.
    """

    state: str = "queued"
    turn: int = 0
    prompt: str = ""
    started: Members = {}
    messages: dict[str, str] = {}
    thinking: dict[str, str] = {}
    plan: Any = None
    steps: dict[str, Members] = {}
    tool_calls: dict[str, Members] = {}
    confirmations: dict[str, Members] = {}
    client_tool_calls: dict[str, Members] = {}
    artifacts: list[Any] = []
    ending: Members = {}
    others: Members = {}

    @property
    def text(self) -> str:
        """All that the agent has said."""
        return "".join(self.messages.values())


class SessionSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation as its events tell it: the newest messages, oldest first; of the runs that go on, by their ids,
    what was asked and the answer so far; of each other type what its last event held."""

    messages: list[Any] = []
    asked: Members = {}
    answers: dict[str, str] = {}
    others: Members = {}


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a topic at `position`; what follows comes after it. `first` is above 1 where earlier events are not
    in it. `timestamp` is the last event's, in Unix milliseconds."""

    channel: str
    topic: str
    state: TaskSnapshot | SessionSnapshot
    position: Position
    first: int
    timestamp: int


STATES: dict[str, type[TaskSnapshot] | type[SessionSnapshot]] = {"task": TaskSnapshot, "session": SessionSnapshot}
"""By channel."""

Pushed: TypeAlias = Event | Gap | Snapshot
