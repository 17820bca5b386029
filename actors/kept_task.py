"""What is kept of a task beside its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

import msgspec

from actors.commands import CreateTask, TaskError, TaskState
from actors.event import ChannelKey, Json
from actors.kept_questions import questions_gone
from actors.position import Position
from actors.store import Record
from actors.task_record import Ending, TaskRecord

TASK_RECORDS = "task"
TURN_RECORDS = "task-turn"
"""The prompts of the appended turns, by the task and the turn's number."""
POST_RECORDS = "task-post"
"""Idempotency keys of what was posted of a task, by the task and a place."""
REMEMBERED_POSTS = 256
BATCH_PART_RECORDS = "batch-part"
"""How a task of a batch has ended that is itself forgotten."""


class KeptEnding(msgspec.Struct, frozen=True, omit_defaults=True):
    state: TaskState
    result: str | None = None
    data: object = None
    error: TaskError | None = None
    reason: str = ""
    text: str = ""


class KeptTask(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ending` is decided, and with the last event of its topic the task has ended; of that event there may be none
    yet. `left`: what it says has joined its session. Times are Unix milliseconds."""

    id: str
    serial: int
    user_id: str
    agent: str
    prompt: str
    session_id: str | None = None
    context: dict[str, object] = {}
    batch_id: str | None = None
    created_at: int
    started_at: int | None = None
    ended_at: int | None = None
    turn: int = 0
    cancel_requested: bool = False
    announced: bool = False
    claimed_by: str | None = None
    posts: int = 0
    ending: KeptEnding | None = None
    left: bool = False
    redacted: bool = False


def task_record(record: TaskRecord, ending: Ending | None = None, *, left: bool = False) -> Record:
    """The record as it stands; with `ending`, as it is to end. `left`: once this is kept it has left its session."""
    ending = ending or record.ending
    command = record.command
    kept = KeptTask(
        id=record.id,
        serial=record.serial,
        user_id=record.user_id,
        agent=command.agent,
        prompt=command.prompt,
        session_id=command.session_id,
        context=cast("dict[str, object]", command.context),
        batch_id=record.batch_id,
        created_at=record.created_at,
        started_at=record.started_at,
        ended_at=None if ending is None else record.ends_at,
        turn=record.turn,
        cancel_requested=record.cancel_requested,
        announced=record.announced,
        claimed_by=record.claimed_by,
        posts=record.posts,
        ending=None if ending is None else _kept_ending(ending, redacted=record.is_redacted),
        left=left or record.has_left,
        redacted=record.is_redacted,
    )
    return Record(TASK_RECORDS, record.id, msgspec.json.encode(kept))


def task_gone(record: TaskRecord) -> tuple[Record, ...]:
    """The task is forgotten."""
    posts = range(min(record.posts, REMEMBERED_POSTS))
    turns = range(2, record.turns_asked + 1)
    return (
        *_batch_part(record),
        Record(TASK_RECORDS, record.id, None),
        *(Record(TURN_RECORDS, _part(record.id, turn), None) for turn in turns),
        *(Record(POST_RECORDS, _part(record.id, place), None) for place in posts),
        *questions_gone(record),
    )


def batch_part_id(batch_id: str, task_id: str) -> str:
    return f"{batch_id}/{task_id}"


def _batch_part(record: TaskRecord) -> tuple[Record, ...]:
    if record.batch_id is None or record.ending is None or not record.is_counted:
        return ()
    return (Record(BATCH_PART_RECORDS, batch_part_id(record.batch_id, record.id), record.state.encode()),)


def turn_record(task_id: str, turn: int, prompt: str) -> Record:
    """Of a turn beyond the first, which is in the task's own record."""
    return Record(TURN_RECORDS, _part(task_id, turn), prompt.encode())


def redacted_records(record: TaskRecord, *, asked: bool) -> tuple[Record, ...]:
    """What is left of a task that is taken back, but for its open questions."""
    turns = range(2, record.turns_asked + 1) if asked else ()
    return (task_record(record), *(turn_record(record.id, turn, "") for turn in turns))


def post_record(record: TaskRecord, key: str) -> Record:
    """The key of the next post."""
    return Record(POST_RECORDS, _part(record.id, record.posts % REMEMBERED_POSTS), key.encode())


def by_task(records: Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    """The turns' prompts or the posts' keys of each task, in the order of their numbers; `records` are in that of their
    ids."""
    found: dict[str, list[str]] = {}
    for name, body in records:
        task_id, _, _ = name.rpartition("/")
        found.setdefault(task_id, []).append(body.decode())
    return found


def _part(task_id: str, number: int) -> str:
    return f"{task_id}/{number:09d}"


def restored(body: bytes, origin: Callable[[ChannelKey], Position], max_turns: int) -> TaskRecord:
    """The task of a record; `origin` gives the position where a topic begins. Raises msgspec.DecodeError."""
    kept = msgspec.json.decode(body, type=KeptTask)
    command = CreateTask(
        agent=kept.agent,
        prompt=kept.prompt,
        session_id=kept.session_id,
        context=cast("dict[str, Json]", kept.context),
    )
    position = origin(ChannelKey("task", kept.id, kept.user_id))
    record = TaskRecord(kept.id, kept.user_id, command, kept.batch_id, position, max_turns)
    record.serial = kept.serial
    record.created_at, record.started_at, record.ends_at = kept.created_at, kept.started_at, kept.ended_at
    record.announced, record.claimed_by, record.posts = kept.announced, kept.claimed_by, kept.posts
    record.take_up(kept.turn, cancel_requested=kept.cancel_requested, redacted=kept.redacted)
    record.has_left = kept.left
    if kept.ending is not None:
        record.decided = _ending(kept.ending)
    return record


def _kept_ending(ending: Ending, *, redacted: bool) -> KeptEnding:
    if redacted:
        return KeptEnding(ending.state)
    return KeptEnding(ending.state, ending.result, ending.data, ending.error, ending.reason, ending.text)


def _ending(kept: KeptEnding) -> Ending:
    data = cast("Json", kept.data)
    return Ending(kept.state, kept.result, data, kept.error, kept.reason, kept.text)
