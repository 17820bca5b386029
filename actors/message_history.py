"""The messages of one conversation, each at its place. Plain: no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from actors.agent import Message
from actors.kept_session import message_records, messages_gone, messages_of
from actors.redaction import TaskRedaction
from actors.store import Record


class MessageHistory:
    """The newest messages, up to a limit. Places count from the conversation's beginning, at 0."""

    __slots__ = ("_bodies", "_messages", "_most", "_session_id", "first")

    def __init__(self, session_id: str, most: int) -> None:
        self.first = 0
        """The place of the oldest message that is kept; so many are not kept any more."""
        self._session_id = session_id
        self._most = most
        self._messages: list[Message] = []
        self._bodies: Sequence[bytes] = ()
        """The messages of an earlier life of the engine, until somebody wants to see them."""

    def take_up(self, first: int, bodies: Sequence[bytes]) -> None:
        """Goes on as it was kept. For one that is new."""
        self.first, self._bodies = first, bodies

    @property
    def messages(self) -> list[Message]:
        """Those that are kept, oldest first."""
        if self._bodies:
            self._messages, self._bodies = messages_of(self._bodies), ()
        return self._messages

    @property
    def end(self) -> int:
        """The place of the next message."""
        return self.first + (len(self._bodies) or len(self._messages))

    @property
    def readable(self) -> tuple[Message, ...]:
        """What an agent is told: all but what was taken back."""
        return tuple(message for message in self.messages if not message.redacted)

    def left_of(self, told: Sequence[Message]) -> tuple[Message, ...]:
        """Of what was once readable that which has not been taken back since."""
        gone = {(message.task_id, message.role) for message in self.messages if message.redacted}
        return tuple(message for message in told if (message.task_id, message.role) not in gone)

    def add(self, said: Sequence[Message]) -> None:
        """Beyond the limit the oldest go."""
        self.messages.extend(said)
        excess = len(self.messages) - self._most
        if excess > 0:
            del self.messages[:excess]
            self.first += excess

    def clear(self) -> None:
        """All go."""
        self.first = self.end
        self._messages, self._bodies = [], ()

    def redact(self, redaction: TaskRedaction) -> list[int]:
        """Takes back what it concerns. Returns the places of what is changed by it."""
        left = [redaction.left_of(message) for message in self.messages]
        changed = [place for place, message in enumerate(left) if message is not self.messages[place]]
        self._messages = left
        return [self.first + place for place in changed]

    def records(self, begin: int, end: int) -> tuple[Record, ...]:
        """Of the messages from one place up to another those that are kept, as they are by now."""
        kept = max(begin, self.first)
        messages = self.messages[kept - self.first : max(kept, end) - self.first]
        return message_records(self._session_id, kept, messages)

    def gone_since(self, first: int) -> tuple[Record, ...]:
        """Of the messages from a place on those that are no more."""
        return messages_gone(self._session_id, first, self.first)
