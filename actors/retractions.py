"""Whose words do not join a conversation, or join it as taken back. Plain: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.agent import Message
from actors.kept_session import Recalled
from actors.redaction import TaskRedaction


class Retractions:
    """Of the tasks that have yet to leave the conversation."""

    __slots__ = ("_disowned", "_redactions")

    def __init__(self, disowned: Iterable[str] = (), recalled: Iterable[Recalled] = ()) -> None:
        self._disowned = set(disowned)
        self._redactions = {one.task_id: TaskRedaction(one.task_id, one.asked) for one in recalled}

    @property
    def disowned(self) -> tuple[str, ...]:
        """The tasks whose words do not join it, as they are kept."""
        return tuple(sorted(self._disowned))

    @property
    def recalled(self) -> tuple[Recalled, ...]:
        """The tasks whose words join it as taken back, as they are kept."""
        return tuple(Recalled(name, one.asked) for name, one in self._redactions.items())

    def disown(self, task_ids: Iterable[str]) -> None:
        """The conversation is cleared: what these tasks say does not join it any more."""
        self._disowned.update(task_ids)

    def redact(self, redaction: TaskRedaction) -> None:
        """A task's words are taken back before they join it. What was asked stays taken back once it is."""
        earlier = self._redactions.get(redaction.task_id)
        if earlier is None or not earlier.asked:
            self._redactions[redaction.task_id] = redaction

    def drop(self, task_id: str) -> None:
        """The task has left."""
        self._disowned.discard(task_id)
        self._redactions.pop(task_id, None)

    def redaction_of(self, task_id: str) -> TaskRedaction | None:
        return self._redactions.get(task_id)

    def admits(self, task_id: str) -> bool:
        """Whether the task's words join the conversation, be it as taken back."""
        return task_id not in self._disowned

    def left_of(self, task_id: str, said: Sequence[Message]) -> list[Message]:
        """The task's words, as they join it."""
        redaction = self._redactions.get(task_id)
        return list(said) if redaction is None else [redaction.left_of(message) for message in said]

    def only(self, task_id: str) -> Retractions:
        """Those of one task, apart."""
        redaction = self._redactions.get(task_id)
        recalled = () if redaction is None else (Recalled(task_id, redaction.asked),)
        return Retractions(self._disowned & {task_id}, recalled)

    def __or__(self, others: Retractions) -> Retractions:
        """With the others, which go before."""
        found = Retractions(self._disowned | others._disowned)
        found._redactions = {**self._redactions, **others._redactions}
        return found
