"""What is kept of a task's questions, open and settled: each in the commit of the event that says it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import trio

from actors.event import ChannelKey, Draft, Event, Merge, now_ms
from actors.past_questions import Answerer, Fate, PastQuestion
from actors.position import Position
from actors.question_kind import Kind
from actors.questions import Question, Settled
from actors.store import Record
from actors.task_record import TaskRecord

QUESTION_RECORDS = "task-question"
"""By the task, the kind and the name of the question."""


class KeptQuestion(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Without a fate it is open: `asked` is the data of its event, which is at `offset`, and `at` when that was made.
    With one, `at` is when it was settled. Times are Unix milliseconds."""

    kind: Kind
    name: str
    at: int
    asked: msgspec.Raw = msgspec.Raw(b"null")
    offset: int = 0
    fate: Fate | None = None
    by: Answerer | None = None


def asked_record(record: TaskRecord, question: Question, offset: int) -> Record:
    """Of one that is open, as the task's redaction leaves it."""
    asked = question.asked
    key = ChannelKey("task", record.id, record.user_id)
    event = Event(key, "", offset, offset, asked.event_type, asked.body, Merge.NEVER, "", asked.timestamp)
    left = event if record.redaction is None else record.redaction.apply(event)
    kept = KeptQuestion(
        kind=question.kind, name=question.id, at=asked.timestamp, asked=msgspec.Raw(left.body), offset=offset
    )
    return Record(QUESTION_RECORDS, _name(record.id, question.kind, question.id), msgspec.json.encode(kept))


def asked_records(record: TaskRecord, items: Sequence[Draft | Question], position: Position) -> tuple[Record, ...]:
    """Of the questions among what is added to the task's topic, up to that position."""
    asked: list[Record] = []
    for offset, item in enumerate(items, position.offset - len(items) + 1):
        if isinstance(item, Question):
            item.place = offset
            asked.append(asked_record(record, item, offset))
    return tuple(asked)


def settled_records(record: TaskRecord, settled: Settled) -> tuple[Record, ...]:
    """Of one that is open no more."""
    forgotten = (Record(QUESTION_RECORDS, _name(record.id, *key), None) for key in settled.forgotten)
    return (_past_record(record, settled.past), *forgotten)


def past_records(record: TaskRecord) -> tuple[Record, ...]:
    """Of a task that has ended: none is open."""
    return tuple(_past_record(record, past) for past in record.questions.past())


def open_records(record: TaskRecord) -> tuple[Record, ...]:
    """What is left of those that are open in a task that is taken back, once all that was added before has its
    places."""
    open_ones = record.questions.open()
    return tuple(asked_record(record, each, each.place) for each in open_ones if each.place is not None)


def questions_gone(record: TaskRecord) -> tuple[Record, ...]:
    """The task is forgotten."""
    return tuple(Record(QUESTION_RECORDS, _name(record.id, *key), None) for key in record.questions.names())


def by_task(records: Iterable[tuple[str, bytes]]) -> dict[str, list[KeptQuestion]]:
    """The questions of each task, in the order of their times."""
    found: dict[str, list[KeptQuestion]] = {}
    for name, body in records:
        task_id, _, _ = name.partition("/")
        found.setdefault(task_id, []).append(msgspec.json.decode(body, type=KeptQuestion))
    for questions in found.values():
        questions.sort(key=lambda each: each.at)
    return found


def take_up(record: TaskRecord, kept: Iterable[KeptQuestion], client_tool_bytes: int) -> None:
    """They stand as they did: those that are open until their `expires_at`."""
    for each in kept:
        if each.fate is None:
            record.ask(_open(each, client_tool_bytes))
        else:
            record.questions.take_up(PastQuestion(each.kind, each.name, each.fate, each.by, each.at))


def _open(kept: KeptQuestion, client_tool_bytes: int) -> Question:
    asked = Draft(kept.kind.asks, bytes(kept.asked), Merge.NEVER, "", kept.at)
    data = msgspec.json.decode(asked.body)
    expires_at = data.get("expires_at") if isinstance(data, dict) else None
    left = (expires_at - now_ms()) / 1000 if isinstance(expires_at, int) else 0.0
    most = None if kept.kind is Kind.STEP else client_tool_bytes
    return Question(
        kept.kind, kept.name, asked, trio.current_time() + left, most, kept.offset - 1, kept.offset, kept.offset
    )


def _past_record(record: TaskRecord, past: PastQuestion) -> Record:
    kept = KeptQuestion(kind=past.kind, name=past.name, at=past.at, fate=past.fate, by=past.by)
    return Record(QUESTION_RECORDS, _name(record.id, past.kind, past.name), msgspec.json.encode(kept))


def _name(task_id: str, kind: Kind, name: str) -> str:
    return f"{task_id}/{kind.names}/{name}"
