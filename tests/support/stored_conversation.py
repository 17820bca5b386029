"""What the store holds of a conversation of alice's: two tasks, of which one has ended and is compacted."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from actors.agent import Message
from actors.commands import TaskState
from actors.event import ChannelKey, Event, Merge
from actors.kept_session import KeptSession, message_records, session_record
from actors.kept_task import TASK_RECORDS, KeptEnding, KeptTask, turn_record
from actors.snapshot_base import FOLDS, Base, base_record
from actors.store import Compaction, Floor, Record, Write
from actors.uploads import Upload, upload_key
from engine.sqlite_log import SqliteLog
from engine.sqlite_uploads import put_upload

OWNER = "alice"
KEY = "pipeline person p1"
SESSION = ChannelKey("session", "session-1", OWNER)
COMPACTED = ChannelKey("task", "task-1", OWNER)
RUNNING = ChannelKey("task", "task-2", OWNER)
FILE = Upload(upload_key(OWNER, KEY, "a.txt", b"\xffbytes"), KEY, "a.txt", "text/plain", b"\xffbytes")


def event(key: ChannelKey, offset: int, data: object, merge: Merge = Merge.NEVER, kind: str = "word") -> Event:
    body = json.dumps(data).encode()
    return Event(key, "one", offset, offset, kind, body, merge, "m" if merge is Merge.TEXT else "", 1_000 + offset)


def text(key: ChannelKey, offset: int, content: str) -> Event:
    return event(key, offset, {"content": content}, Merge.TEXT, "agent.message")


def session(name: str, serial: int, key: str = "") -> Record:
    kept = KeptSession(serial=serial, user_id=OWNER, title="ä", agent="offline", key=key, created_at=1, updated_at=2)
    return session_record(name, kept)


def task(name: str, serial: int, *, session_id: str | None = None, owner: str = OWNER, ended: bool = True) -> Record:
    ending = KeptEnding(TaskState.COMPLETED, "done") if ended else None
    kept = KeptTask(
        id=name, serial=serial, user_id=owner, agent="offline", prompt="3", session_id=session_id, created_at=1,
        ending=ending,
    )  # fmt: skip
    return Record(TASK_RECORDS, name, msgspec.json.encode(kept))


def base(key: ChannelKey, events: list[Event]) -> Record:
    fold = FOLDS[key.channel]()
    for each in events:
        fold.apply(each)
    last = events[-1]
    return base_record(key, Base(events[0].offset, last.offset, last.timestamp, msgspec.Raw(fold.dump())))


SAID = [event(SESSION, offset, {"content": str(offset)}) for offset in range(1, 5)]
TOLD = [
    event(COMPACTED, 1, {}, kind="task.started"),
    *(text(COMPACTED, offset, str(offset)) for offset in range(2, 6)),
    event(COMPACTED, 6, {"step_id": "s"}, kind="step.started"),
    event(COMPACTED, 7, {"step_id": "s", "progress": 1}, Merge.LAST, "step.progress"),
    event(COMPACTED, 8, {"success": True}, kind="task.completed"),
]
RECORDS = [
    session(SESSION.topic, 7, KEY),
    *message_records(
        SESSION.topic, 3, [Message("user", "one", "task-1", 1), Message("assistant", "eins", "task-1", 1)]
    ),
    *message_records("session-10", 0, [Message("user", "of another", "task-9", 1)]),
    task(COMPACTED.topic, 20, session_id=SESSION.topic),
    # Neither JSON, nor one line.
    turn_record(COMPACTED.topic, 2, "count\nto 3"),
    turn_record(COMPACTED.topic, 3, " 4\n"),
    base(COMPACTED, TOLD),
    base(SESSION, SAID[:2]),
    task(RUNNING.topic, 21, session_id=SESSION.topic, ended=False),
    task("task-3", 22, owner="mallory"),
]


def keep_conversation(path: Path) -> None:
    """In a file that is new: of the session the oldest events are no longer kept."""
    log = SqliteLog(path)
    running = [event(RUNNING, 1, {"task_id": "task-3"})]
    floors, compactions = [Floor(SESSION, 2)], [Compaction(COMPACTED, 7)]
    write = Write(events=[*SAID, *TOLD, *running], records=RECORDS, floors=floors, compactions=compactions)
    log.commit_all([write, lambda db: put_upload(db, OWNER, FILE)])
    log.close()
