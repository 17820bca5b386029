"""The messages of a room: as they stand, and as they are on the wire."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import msgspec

from actors.event import Json
from transport.dialects.pipeline_replies import iso

Role: TypeAlias = Literal["user", "assistant"]

_LAST = "last"
_READ = "read"
_MESSAGE = "message "


class RoomMessage(msgspec.Struct, frozen=True, kw_only=True):
    """`timestamp` is Unix milliseconds, and stays as an answer grows. `connection_id` is the one whose message this is
    or answers; empty where it came by another dialect. A recalled one keeps its place and says nothing."""

    id: int
    role: Role
    content: str
    chain: list[Any]
    timestamp: int
    connection_id: str
    user_id: str
    task_id: str
    echo: dict[str, Any] = {}
    is_final: bool = True
    recalled: bool = False
    state: str | None = None
    """How the task of an answer ended, where it was not well."""
    error: str | None = None

    def data(self) -> dict[str, Json]:
        """The message as JSON."""
        told: dict[str, Json] = {
            "id": self.id,
            "role": self.role,
            "content": self.content,
            "message_chain": self.chain,
            "timestamp": iso(self.timestamp),
            "is_final": self.is_final,
            "connection_id": self.connection_id,
            "task_id": self.task_id,
        }
        if self.role == "user":
            told["user_id"] = self.user_id
        if self.recalled:
            told["recalled"] = True
        if self.state is not None:
            told["state"] = self.state
        if self.error is not None:
            told["error"] = self.error
        return told


class RoomMessages:
    """The newest messages of a room, and how far each of its users has read."""

    def __init__(self, most: int) -> None:
        """`most` messages are kept, and the read markers of as many users."""
        self._most = most
        self._messages: OrderedDict[int, RoomMessage] = OrderedDict()
        self._read: OrderedDict[str, int] = OrderedDict()
        self._last = 0
        self._changed: dict[str, None] = {}
        """What has changed since it was dumped."""

    @property
    def last_id(self) -> int:
        return self._last

    def next_id(self) -> int:
        """Ids count up from 1, whoever says something."""
        self._last += 1
        self._changed[_LAST] = None
        return self._last

    def put(self, message: RoomMessage) -> None:
        """Adds the message, or replaces the one of its id where that is still kept."""
        if message.id in self._messages or message.id == self._last:
            self._messages[message.id] = message
            if message.is_final:
                # One that grows is its answer's to keep.
                self._changed[_name(message.id)] = None
        if len(self._messages) > self._most:
            oldest, _ = self._messages.popitem(last=False)
            self._changed[_name(oldest)] = None

    def find(self, message_id: int) -> RoomMessage | None:
        return self._messages.get(message_id)

    def of_task(self, task_id: str) -> tuple[RoomMessage, ...]:
        """Oldest first."""
        return tuple(message for message in self._messages.values() if message.task_id == task_id)

    def all(self) -> tuple[RoomMessage, ...]:
        """Oldest first."""
        return tuple(self._messages.values())

    def read_by(self, user_id: str) -> int:
        """The last message that the user has read; 0 for none."""
        return self._read.get(user_id, 0)

    def mark_read(self, user_id: str, message_id: int) -> bool:
        """Whether the marker moves. It never goes back, and never beyond the last message."""
        message_id = min(message_id, self._last)
        if message_id <= self.read_by(user_id):
            return False
        self._read[user_id] = message_id
        self._read.move_to_end(user_id)
        self._changed[_READ] = None
        if len(self._read) > self._most:
            self._read.popitem(last=False)
        return True

    def markers(self) -> dict[str, int]:
        return dict(self._read)

    def clear(self) -> None:
        """The next message is number 1 again."""
        self._changed.update(dict.fromkeys((_LAST, _READ, *map(_name, self._messages))))
        self._messages.clear()
        self._read.clear()
        self._last = 0

    def dump(self) -> dict[str, bytes | None]:
        """What has changed since the last call, by name; None for what is no more. Of messages those that are whole."""
        changed, self._changed = self._changed, {}
        return {name: self._dump_part(name) for name in changed}

    def load(self, parts: Mapping[str, bytes]) -> None:
        """Takes up what was dumped. For one that is new."""
        if (last := parts.get(_LAST)) is not None:
            self._last = msgspec.msgpack.decode(last, type=int)
        if (read := parts.get(_READ)) is not None:
            self._read.update(msgspec.msgpack.decode(read, type=list[tuple[str, int]]))
        for name in sorted(name for name in parts if name.startswith(_MESSAGE)):
            message = msgspec.msgpack.decode(parts[name], type=RoomMessage)
            self._messages[message.id] = message

    def restore(self, message: RoomMessage) -> None:
        """Puts one at its place that was not dumped, since it grows."""
        self._messages[message.id] = message
        self._messages = OrderedDict(sorted(self._messages.items()))

    def _dump_part(self, name: str) -> bytes | None:
        if name == _LAST:
            return msgspec.msgpack.encode(self._last)
        if name == _READ:
            return msgspec.msgpack.encode(list(self._read.items()))
        message = self._messages.get(int(name.removeprefix(_MESSAGE)))
        return None if message is None else msgspec.msgpack.encode(message)


def _name(message_id: int) -> str:
    """In the order of the ids."""
    return f"{_MESSAGE}{message_id:015d}"
