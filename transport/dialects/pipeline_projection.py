"""What a room shows of its session: messages numbered across roles, answers that grow. Pure: no clock, no I/O."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import msgspec

from actors.event import ChannelKey, Draft, Event, Json, Merge, draft
from actors.redaction import TaskRedaction
from transport.dialects.pipeline import SessionType
from transport.dialects.pipeline_answers import Answer, Answers
from transport.dialects.pipeline_elements import plain_chain
from transport.dialects.pipeline_messages import RoomMessage, RoomMessages
from transport.dialects.pipeline_replies import iso
from transport.dialects.pipeline_session_events import (
    Broadcast,
    Done,
    Input,
    Output,
    ReadUpTo,
    Recalled,
    Said,
    Spoken,
    read_event,
)

_MESSAGES = frozenset({"user_message", "response"})


class RoomOptions(msgspec.Struct, frozen=True):
    """`messages`: kept of a room, the newest. `growth_seconds`: between two frames of one growing answer; as much more
    for each 16 Ki characters that it has, so that a long answer costs its length and not the square of it."""

    messages: int = 1_000
    growth_seconds: float = 0.05


class _ToldMessage(msgspec.Struct):
    task_id: str
    role: str


class _Told(msgspec.Struct):
    """What a frame of the room is about."""

    data: _ToldMessage


class RoomProjection:
    """The feed of one room."""

    def __init__(self, session_type: SessionType, owner: str, options: RoomOptions) -> None:
        """`owner` says what other dialects ask in the room's session; empty where that is no user."""
        self.messages = RoomMessages(options.messages)
        self._session_type = session_type
        self._owner = owner
        self._options = options
        self._answers = Answers()

    @property
    def due(self) -> float:
        return self._answers.due

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        if event.key.channel != "session" and event.event_type != "broadcast":
            # Of what the owner is told outside of the conversation nothing else has a form here.
            return ()
        match event.event_type:
            case "chat.message":
                return self._said(read_event(event, Said), event.timestamp)
            case "input":
                return self._asked(read_event(event, Input), event.timestamp)
            case "output":
                return self._grow(read_event(event, Output), event.timestamp, now)
            case "message":
                return self._spoken(read_event(event, Spoken))
            case "done":
                return self._done(read_event(event, Done), event.timestamp)
            case "chat.reset":
                return self._reset(event.timestamp)
            case "chat.recalled":
                return self._recalled(read_event(event, Recalled), event.timestamp)
            case "chat.read":
                return self._read_up_to(read_event(event, ReadUpTo), event.timestamp)
            case "broadcast":
                return self._broadcast(read_event(event, Broadcast), event.timestamp)
            case _:
                return ()

    def flush(self, now: float) -> Sequence[Draft]:
        drafts: list[Draft] = []
        for task_id, answer in self._answers.grown(now):
            drafts += self._say_so_far(task_id, answer)
        return drafts

    def dump(self) -> Mapping[str, bytes | None]:
        return {**self.messages.dump(), **self._answers.dump()}

    def load(self, parts: Mapping[str, bytes]) -> None:
        self.messages.load(parts)
        for task_id, answer in self._answers.load(parts):
            if not answer.recalled:
                self.messages.restore(_message(task_id, answer, answer.text, is_final=False))

    def is_rebuilt_from(self, source: ChannelKey) -> bool:
        return False

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        answer = self._answers.of(redaction.task_id)
        if answer is not None:
            answer.redact()

        def concerns(event: Event) -> bool:
            if event.event_type not in _MESSAGES or redaction.task_id.encode() not in event.body:
                return False
            told = msgspec.json.decode(event.body, type=_Told).data
            return told.task_id == redaction.task_id and redaction.takes_back(told.role)

        return concerns

    def _said(self, said: Said | None, timestamp: int) -> Sequence[Draft]:
        if said is None:
            return ()
        answer = Answer(1, said.connection_id, stream=said.stream, echo=said.echo)
        self._answers.put(said.exec_id, answer)
        chain = plain_chain(said.content) if said.chain is None else said.chain
        return self._user_message(said.exec_id, answer, said.content, chain, said.user_id, timestamp)

    def _asked(self, asked: Input | None, timestamp: int) -> Sequence[Draft]:
        """Said in the room already, or by another dialect: a task, or one more turn of it."""
        if asked is None or self._answers.is_disowned(asked.exec_id):
            return ()
        before = self._answers.of(asked.exec_id)
        if before is not None and before.turn == asked.turn:
            return ()
        drafts: list[Draft] = []
        if before is None:
            answer = Answer(asked.turn)
        else:
            drafts += self._finish(asked.exec_id, before, timestamp)
            answer = Answer(asked.turn, before.connection_id, stream=before.stream, echo=before.echo)
        self._answers.put(asked.exec_id, answer)
        chain = plain_chain(asked.content)
        drafts += self._user_message(asked.exec_id, answer, asked.content, chain, self._owner, timestamp)
        return drafts

    def _user_message(
        self, task_id: str, answer: Answer, content: str, chain: list[Json], user_id: str, timestamp: int
    ) -> Sequence[Draft]:
        message = RoomMessage(
            id=self.messages.next_id(),
            role="user",
            content=content,
            chain=chain,
            timestamp=timestamp,
            connection_id=answer.connection_id,
            user_id=user_id,
            task_id=task_id,
            echo=answer.echo,
        )
        self.messages.put(message)
        return (self._message_draft("user_message", message, Merge.NEVER),)

    def _grow(self, output: Output | None, timestamp: int, now: float) -> Sequence[Draft]:
        answer = None if output is None else self._answers.of(output.exec_id)
        if output is None or answer is None or not (output.content or output.redacted):
            return ()
        answer.text += output.content
        if not answer.stream or answer.recalled:
            return ()
        if not answer.id:
            # The first piece goes out at once: a client sees that an answer comes.
            self._begin(answer, timestamp)
            return self._say_so_far(output.exec_id, answer)
        if answer.due == math.inf:
            self._answers.hold(output.exec_id, answer, answer.due_after(now, self._options.growth_seconds))
        return ()

    def _spoken(self, spoken: Spoken | None) -> Sequence[Draft]:
        """An answer comes whole at the end of its turn, ahead of the next one's question."""
        answer = None if spoken is None else self._answers.of(spoken.task_id)
        if spoken is not None and answer is not None and spoken.role == "assistant":
            answer.final_text = spoken.content
        return ()

    def _done(self, done: Done | None, timestamp: int) -> Sequence[Draft]:
        if done is None:
            return ()
        answer = self._answers.pop(done.exec_id)
        if answer is None:
            return ()
        state = None if done.state == "completed" else done.state
        return self._finish(done.exec_id, answer, timestamp, state, done.error)

    def _finish(
        self, task_id: str, answer: Answer, timestamp: int, state: str | None = None, error: str | None = None
    ) -> Sequence[Draft]:
        self._answers.settle(task_id)
        if answer.recalled:
            return ()
        if not answer.id:
            self._begin(answer, timestamp)
        return self._say(task_id, answer, answer.whole, is_final=True, state=state, error=error)

    def _begin(self, answer: Answer, timestamp: int) -> None:
        answer.id = self.messages.next_id()
        answer.timestamp = timestamp

    def _say_so_far(self, task_id: str, answer: Answer) -> Sequence[Draft]:
        self._answers.settle(task_id)
        return self._say(task_id, answer, answer.text, is_final=False)

    def _say(
        self,
        task_id: str,
        answer: Answer,
        text: str,
        *,
        is_final: bool,
        state: str | None = None,
        error: str | None = None,
    ) -> Sequence[Draft]:
        message = _message(task_id, answer, text, is_final=is_final, state=state, error=error)
        self.messages.put(message)
        return (self._message_draft("response", message, Merge.LAST),)

    def _reset(self, timestamp: int) -> Sequence[Draft]:
        self._answers.clear()
        self.messages.clear()
        return (self._draft("reset", {"timestamp": iso(timestamp)}, timestamp),)

    def _recalled(self, recalled: Recalled | None, timestamp: int) -> Sequence[Draft]:
        message = None if recalled is None else self.messages.find(recalled.message_id)
        if recalled is None or message is None or message.recalled:
            return ()
        tombstone = msgspec.structs.replace(message, content="", chain=[], recalled=True, is_final=True)
        self.messages.put(tombstone)
        answer = self._answers.of(message.task_id)
        if answer is not None and answer.id == message.id:
            answer.recalled = True
            self._answers.settle(message.task_id)
        data: Json = {"id": message.id, "role": message.role, "by": recalled.by, "timestamp": iso(timestamp)}
        return (self._draft("recalled", {**recalled.echo, "data": data}, timestamp),)

    def _read_up_to(self, read: ReadUpTo | None, timestamp: int) -> Sequence[Draft]:
        if read is None or not self.messages.mark_read(read.user_id, read.message_id):
            return ()
        data: Json = {"user_id": read.user_id, "message_id": self.messages.read_by(read.user_id)}
        members: dict[str, Json] = {**read.echo, "data": data, "timestamp": iso(timestamp)}
        return (self._draft("read", members, timestamp, Merge.LAST, read.user_id),)

    def _broadcast(self, broadcast: Broadcast | None, timestamp: int) -> Sequence[Draft]:
        if broadcast is None:
            return ()
        return (self._draft("broadcast", {"message": broadcast.message, "timestamp": iso(timestamp)}, timestamp),)

    def _message_draft(self, event_type: str, message: RoomMessage, merge: Merge) -> Draft:
        members: dict[str, Json] = {**message.echo, "data": message.data()}
        return self._draft(event_type, members, message.timestamp, merge, str(message.id))

    def _draft(
        self,
        event_type: str,
        members: dict[str, Json],
        timestamp: int,
        merge: Merge = Merge.NEVER,
        merge_key: str = "",
    ) -> Draft:
        """The body is the frame's members but for its `type`."""
        body: dict[str, Json] = {"session_type": self._session_type, **members}
        return draft(event_type, body, merge=merge, merge_key=merge_key, timestamp=timestamp)


def _message(
    task_id: str, answer: Answer, text: str, *, is_final: bool, state: str | None = None, error: str | None = None
) -> RoomMessage:
    return RoomMessage(
        id=answer.id,
        role="assistant",
        content=text,
        chain=plain_chain(text),
        timestamp=answer.timestamp,
        connection_id=answer.connection_id,
        user_id="",
        task_id=task_id,
        echo=answer.echo,
        is_final=is_final,
        state=state,
        error=error,
    )
