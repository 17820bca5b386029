"""What a wallet is told of its conversations and tasks, made of the engine's events. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import msgspec

from actors.event import Draft, Event, Merge
from transport.dialects.wallet_task import Change, TaskFold, TextPart, WalletTask

_REMEMBERED = 256
UPDATE_SECONDS = 0.2
"""At least so long lie between two updates of a task that say no more than that its content has grown."""


class ConversationMessage(msgspec.Struct, frozen=True):
    """One message of a conversation. `role` is `user` or `assistant`, or `system` for what is broadcast to it; `id` is
    the same wherever it is read."""

    id: str
    role: str
    content: tuple[TextPart, ...]


class _NewMessage(msgspec.Struct, tag_field="type", tag="new_message"):
    conversation_id: str
    message: ConversationMessage


class _TaskUpdate(msgspec.Struct, tag_field="type", tag="task_update"):
    conversation_id: str
    task: WalletTask


class _MessageData(msgspec.Struct):
    role: str
    content: str
    index: int | None = None


class _BroadcastData(msgspec.Struct):
    message: str


class _CreatedData(msgspec.Struct):
    task_id: str
    session_id: str | None = None


def message_id(conversation_id: str, index: int) -> str:
    """`index` counts from the conversation's first message."""
    return f"{conversation_id}-{index}"


class WalletProjection:
    """Whole messages and whole tasks: a task's update goes out when its state changes, and at intervals as it grows."""

    def __init__(self, since: int) -> None:
        """Events from before `since`, Unix milliseconds, are taken in and not told."""
        self._since = since
        self._tasks: dict[str, TaskFold] = {}
        self._quiet_until: dict[str, float] = {}
        self._held: dict[str, float] = {}
        """When the tasks that have grown are to be told."""
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)
        """The last tasks that have ended: that one was created may be read later than that it ended."""

    @property
    def due(self) -> float:
        return min(self._held.values(), default=math.inf)

    def flush(self, now: float) -> Sequence[Draft]:
        return [self._tell(self._tasks[task_id], now) for task_id, due in tuple(self._held.items()) if due <= now]

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        match event.key.channel:
            case "session":
                return self._project_message(event)
            case "task":
                task = self._task(event.key.topic, event.timestamp)
                return self._after(task, task.apply(event), event, now)
            case _ if event.event_type == "broadcast":
                return self._project_message(event)
            case _:
                return self._project_creation(event, now)

    def _project_message(self, event: Event) -> Sequence[Draft]:
        """Published from outside, an event may have a form of its own: it is passed over."""
        if event.timestamp < self._since:
            return ()
        try:
            message = _message_of(event)
        except msgspec.DecodeError:
            return ()
        if message is None:
            return ()
        return (_draft("new_message", _NewMessage(_conversation_of(event), message), event.timestamp),)

    def _project_creation(self, event: Event, now: float) -> Sequence[Draft]:
        if event.event_type != "task.created":
            return ()
        try:
            created = msgspec.json.decode(event.body, type=_CreatedData)
        except msgspec.DecodeError:
            return ()
        if created.task_id in self._ended:
            return ()
        task = self._task(created.task_id, event.timestamp)
        return self._after(task, task.submit(created.session_id or "", event.timestamp), event, now)

    def _after(self, task: TaskFold, change: Change, event: Event, now: float) -> Sequence[Draft]:
        told: Sequence[Draft] = ()
        if change is not Change.NOTHING and event.timestamp >= self._since:
            if change is Change.STATE or now >= self._quiet_until.get(task.id, 0.0):
                told = (self._tell(task, now),)
            else:
                self._held.setdefault(task.id, self._quiet_until[task.id])
        if task.ended:
            del self._tasks[task.id]
            self._ended.append(task.id)
            self._quiet_until.pop(task.id, None)
            self._held.pop(task.id, None)
        return told

    def _tell(self, task: TaskFold, now: float) -> Draft:
        self._held.pop(task.id, None)
        self._quiet_until[task.id] = now + UPDATE_SECONDS
        return _draft("task_update", _TaskUpdate(task.session_id, task.snapshot()), task.timestamp)

    def _task(self, task_id: str, timestamp: int) -> TaskFold:
        task = self._tasks.get(task_id)
        if task is None:
            task = self._tasks[task_id] = TaskFold(task_id, timestamp)
        return task


def _conversation_of(event: Event) -> str:
    """Empty for what is broadcast outside of any."""
    return event.key.topic if event.key.channel == "session" else ""


def _message_of(event: Event) -> ConversationMessage | None:
    """What is said in a conversation, or broadcast. Raises msgspec.DecodeError."""
    topic = event.key.topic
    match event.event_type:
        case "message":
            data = msgspec.json.decode(event.body, type=_MessageData)
            role, text, index = data.role, data.content, data.index
        case "broadcast":
            role, text, index = "system", msgspec.json.decode(event.body, type=_BroadcastData).message, None
        case _:
            return None
    named = f"{topic}-e{event.offset}" if index is None else message_id(topic, index)
    return ConversationMessage(named, role, (TextPart(text),))


def _draft(event_type: str, message: _NewMessage | _TaskUpdate, timestamp: int) -> Draft:
    return Draft(event_type, msgspec.json.encode(message), Merge.NEVER, "", timestamp)
