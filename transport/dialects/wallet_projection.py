"""What a wallet is told of its conversations and tasks, made of the engine's events. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from actors.event import Draft, Event, Merge
from actors.projection import RebuiltFromTasks
from actors.redaction import TaskRedaction
from transport.dialects.wallet_fold import Change, TaskFold
from transport.dialects.wallet_task import TextPart, WalletTask

_REMEMBERED = 256
_SINCE = "since"
_ENDED = "ended"
UPDATE_SECONDS = 0.2
"""At least so long lie between two updates of a task that say no more than that its content has grown."""


class ConversationMessage(msgspec.Struct, frozen=True):
    """One message of a conversation. `role` is `user` or `assistant`, or `system` for what is broadcast to it; `id` is
    the same wherever it is read."""

    id: str
    role: str
    content: tuple[TextPart, ...]


class _NewMessage(msgspec.Struct, tag_field="type", tag="new_message", omit_defaults=True):
    """`task_id`: in which it was said, where it was in one."""

    conversation_id: str
    message: ConversationMessage
    task_id: str = ""


class _TaskUpdate(msgspec.Struct, tag_field="type", tag="task_update"):
    conversation_id: str
    task: WalletTask


class _MessageData(msgspec.Struct):
    role: str
    content: str
    index: int | None = None
    task_id: str = ""
    redacted: bool = False


class _ToldMessage(msgspec.Struct):
    role: str


class _ToldTask(msgspec.Struct):
    id: str


class _Told(msgspec.Struct):
    """What a message of the feed is about."""

    message: _ToldMessage | None = None
    task: _ToldTask | None = None
    task_id: str = ""


class _BroadcastData(msgspec.Struct):
    message: str


class _CreatedData(msgspec.Struct):
    task_id: str
    session_id: str | None = None


def message_id(conversation_id: str, index: int) -> str:
    """`index` counts from the conversation's first message."""
    return f"{conversation_id}-{index}"


class WalletProjection(RebuiltFromTasks):
    """Whole messages and whole tasks: a task's update goes out when its state changes, and at intervals as it grows."""

    def __init__(self, since: int, waiting: Iterable[Event] = ()) -> None:
        """Events from before `since`, Unix milliseconds, are taken in and not told, but for tasks that wait for an
        answer: `waiting` is what these ask, should their logs not tell of it any more."""
        self._since = since
        self._waiting: set[str] = set()
        self._tasks: dict[str, TaskFold] = {}
        self._quiet_until: dict[str, float] = {}
        self._held: dict[str, float] = {}
        """When the tasks that have grown are to be told."""
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)
        """The last tasks that have ended: that one was created may be read later than that it ended."""
        self._changed = {_SINCE}
        """What has changed since it was dumped."""
        for event in waiting:
            self._waiting.add(event.key.topic)
            self._task(event.key.topic, event.timestamp).apply(event)

    @property
    def due(self) -> float:
        return min(self._held.values(), default=math.inf)

    def catch_up(self) -> list[Draft]:
        """The tasks that wait for an answer, for a device that comes without having been asked."""
        return [_update(task, Merge.NEVER) for task in self._tasks.values() if task.asks]

    def flush(self, now: float) -> Sequence[Draft]:
        grown = [self._tasks[task_id] for task_id, due in tuple(self._held.items()) if due <= now]
        return [self._tell(task, Change.CONTENT, now) for task in grown]

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

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        task = self._tasks.get(redaction.task_id)
        if task is not None:
            task.redact(asked=redaction.asked)

        def concerns(event: Event) -> bool:
            if redaction.task_id.encode() not in event.body:
                return False
            told = msgspec.json.decode(event.body, type=_Told)
            if told.message is not None:
                return told.task_id == redaction.task_id and redaction.takes_back(told.message.role)
            return told.task is not None and told.task.id == redaction.task_id

        return concerns

    def dump(self) -> Mapping[str, bytes | None]:
        values: dict[str, int | list[str]] = {_SINCE: self._since, _ENDED: list(self._ended)}
        changed, self._changed = self._changed, set()
        return {name: msgspec.msgpack.encode(values[name]) for name in changed}

    def load(self, parts: Mapping[str, bytes]) -> None:
        if (since := parts.get(_SINCE)) is not None:
            self._since = msgspec.msgpack.decode(since, type=int)
        if (ended := parts.get(_ENDED)) is not None:
            self._ended.extend(msgspec.msgpack.decode(ended, type=list[str]))

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
        return (Draft("new_message", msgspec.json.encode(message), Merge.NEVER, "", event.timestamp),)

    def _project_creation(self, event: Event, now: float) -> Sequence[Draft]:
        """Also that one is not to be, of which all were told: the engine was too late with it."""
        if event.event_type not in ("task.created", "task.failed"):
            return ()
        try:
            created = msgspec.json.decode(event.body, type=_CreatedData)
        except msgspec.DecodeError:
            return ()
        if created.task_id in self._ended:
            return ()
        task = self._task(created.task_id, event.timestamp)
        if event.event_type == "task.failed":
            return self._after(task, task.apply(event), event, now)
        return self._after(task, task.submit(created.session_id or "", event.timestamp), event, now)

    def _after(self, task: TaskFold, change: Change, event: Event, now: float) -> Sequence[Draft]:
        told: Sequence[Draft] = ()
        is_told = event.timestamp >= self._since or task.id in self._waiting
        if change is not Change.NOTHING and is_told:
            if change is Change.STATE or now >= self._quiet_until.get(task.id, 0.0):
                told = (self._tell(task, change, now),)
            else:
                self._held.setdefault(task.id, self._quiet_until[task.id])
        if task.ended:
            del self._tasks[task.id]
            self._ended.append(task.id)
            self._changed.add(_ENDED)
            self._quiet_until.pop(task.id, None)
            self._held.pop(task.id, None)
            self._waiting.discard(task.id)
        return told

    def _tell(self, task: TaskFold, change: Change, now: float) -> Draft:
        self._held.pop(task.id, None)
        self._quiet_until[task.id] = now + UPDATE_SECONDS
        # Each holds the whole task: who lags is told each state, and of what has only grown the last.
        return _update(task, Merge.LAST if change is Change.CONTENT else Merge.NEVER)

    def _task(self, task_id: str, timestamp: int) -> TaskFold:
        task = self._tasks.get(task_id)
        if task is None:
            task = self._tasks[task_id] = TaskFold(task_id, timestamp)
        return task


def _update(task: TaskFold, merge: Merge) -> Draft:
    body = msgspec.json.encode(_TaskUpdate(task.session_id, task.snapshot()))
    return Draft("task_update", body, merge, task.id, task.timestamp)


def _message_of(event: Event) -> _NewMessage | None:
    """What is said in a conversation, and stands, or what is broadcast to the wallet. Raises msgspec.DecodeError."""
    topic, task_id = event.key.topic, ""
    match event.event_type:
        case "message":
            data = msgspec.json.decode(event.body, type=_MessageData)
            if data.redacted:
                return None
            role, text, index, task_id = data.role, data.content, data.index, data.task_id
        case "broadcast":
            role, text, index = "system", msgspec.json.decode(event.body, type=_BroadcastData).message, None
        case _:
            return None
    named = f"{topic}-e{event.offset}" if index is None else message_id(topic, index)
    # What is broadcast outside of any conversation names none.
    conversation_id = topic if event.key.channel == "session" else ""
    return _NewMessage(conversation_id, ConversationMessage(named, role, (TextPart(text),)), task_id)
