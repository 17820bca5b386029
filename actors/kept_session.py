"""What is kept of a conversation beside its events: what is true of it, and its messages one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from actors.agent import Message
from actors.store import Record

SESSION_RECORDS = "session"
MESSAGE_RECORDS = "message"
_MESSAGE = msgspec.json.Decoder(Message)


class KeptSession(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`serial` counts up over all conversations in the order of their creation. `forgotten`: how many of the oldest
    messages are gone. `heard`: how many messages of the task at its turn have joined it. `disowned`, `recalled`: of the
    tasks that have yet to leave those whose words do not join it, or join it as taken back (`asked`: with what they
    were asked). Times are Unix milliseconds."""

    serial: int
    user_id: str
    title: str
    agent: str
    key: str = ""
    created_at: int
    updated_at: int
    forgotten: int = 0
    heard: int = 0
    disowned: tuple[str, ...] = ()
    recalled: tuple[Recalled, ...] = ()


class Recalled(msgspec.Struct, frozen=True):
    task_id: str
    asked: bool


def session_record(session_id: str, kept: KeptSession) -> Record:
    return Record(SESSION_RECORDS, session_id, msgspec.json.encode(kept))


def message_records(session_id: str, first: int, messages: Sequence[Message]) -> tuple[Record, ...]:
    """`first`: the first one's place in the conversation, counted from its beginning."""
    return tuple(
        Record(MESSAGE_RECORDS, _message_id(session_id, place), msgspec.json.encode(message))
        for place, message in enumerate(messages, first)
    )


def messages_gone(session_id: str, first: int, end: int) -> tuple[Record, ...]:
    """Those from one place up to another are no more."""
    return tuple(Record(MESSAGE_RECORDS, _message_id(session_id, place), None) for place in range(first, end))


def by_session(records: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """The messages of each session as they are kept, oldest first; `records` are in the order of their ids."""
    messages: dict[str, list[bytes]] = {}
    for name, body in records:
        session_id, _, _ = name.rpartition("/")
        messages.setdefault(session_id, []).append(body)
    return messages


def messages_of(bodies: Iterable[bytes]) -> list[Message]:
    """Raises msgspec.DecodeError."""
    return [_MESSAGE.decode(body) for body in bodies]


def _message_id(session_id: str, place: int) -> str:
    return f"{session_id}/{place:012d}"
