"""Records of tasks and conversations as they are taken over from another store."""

from __future__ import annotations

import msgspec

from actors.agent import Message
from actors.event import ChannelKey
from actors.kept_session import MESSAGE_RECORDS, SESSION_RECORDS, KeptSession
from actors.kept_task import TASK_RECORDS, KeptTask
from actors.snapshot_base import BASE, FOLDS, Base, base_id
from actors.store import Record
from engine.export_lines import Topic
from engine.sqlite_log import SqliteLog
from engine.topic_records import OWN, PARTS


class _Numbered(msgspec.Struct):
    serial: int


class Newcomers:
    """Tasks and sessions that come last in a store, whatever their places were elsewhere."""

    def __init__(self, log: SqliteLog) -> None:
        """Blocks. Raises actors.store.StoreError, and what is actors.unreadable.UNREADABLE for a store that no engine
        would start on."""
        sessions = [(name, msgspec.json.decode(body, type=KeptSession)) for name, body in log.records(SESSION_RECORDS)]
        tasks = (msgspec.json.decode(body, type=_Numbered) for _, body in log.records(TASK_RECORDS))
        self._keyed = {(one.user_id, one.key): name for name, one in sessions if one.key}
        self._last = {
            SESSION_RECORDS: max((one.serial for _, one in sessions), default=0),
            TASK_RECORDS: max((one.serial for one in tasks), default=0),
        }
        self.session_key = ""
        """Of the session taken over last: what its files are kept under; empty where it has none."""

    def take(self, topic: Topic, kind: str, record_id: str, body: bytes) -> Record:
        """The record as it is to be kept. Raises ValueError for one that no engine would read, that is
        not of the topic, or that the store has no place for."""
        if kind == OWN[topic.channel] and record_id == topic.topic:
            body = self._task(topic, body) if kind == TASK_RECORDS else self._session(topic, body)
        elif kind == BASE and record_id == base_id(ChannelKey(topic.channel, topic.topic)):
            _check_base(topic, body)
        elif kind in PARTS[topic.channel] and _is_part(topic, record_id):
            _check_part(kind, body)
        else:
            raise ValueError(f"it is not of the {topic.channel} {topic.topic}")
        return Record(kind, record_id, body)

    def _task(self, topic: Topic, body: bytes) -> bytes:
        kept = msgspec.json.decode(body, type=KeptTask)
        if (kept.id, kept.user_id) != (topic.topic, topic.owner):
            raise ValueError(f"it is of the task {kept.id} of {kept.user_id!r}")
        return msgspec.json.encode(msgspec.structs.replace(kept, serial=self._next(TASK_RECORDS)))

    def _session(self, topic: Topic, body: bytes) -> bytes:
        kept = msgspec.json.decode(body, type=KeptSession)
        if kept.user_id != topic.owner:
            raise ValueError(f"it is of a session of {kept.user_id!r}")
        known = self._keyed.setdefault((kept.user_id, kept.key), topic.topic) if kept.key else topic.topic
        if known != topic.topic:
            raise ValueError(f"{kept.user_id!r} has another session of the key {kept.key!r} there: {known}")
        self.session_key = kept.key
        return msgspec.json.encode(msgspec.structs.replace(kept, serial=self._next(SESSION_RECORDS)))

    def _next(self, kind: str) -> int:
        self._last[kind] += 1
        return self._last[kind]


def _is_part(topic: Topic, record_id: str) -> bool:
    name, _, number = record_id.rpartition("/")
    return name == topic.topic and number.isdecimal()


def _check_part(kind: str, body: bytes) -> None:
    if kind == MESSAGE_RECORDS:
        msgspec.json.decode(body, type=Message)
    else:
        body.decode()


def _check_base(topic: Topic, body: bytes) -> None:
    base = msgspec.json.decode(body, type=Base)
    if not 1 <= base.first <= base.offset <= topic.tail:
        raise ValueError(f"there are no offsets from {base.first} to {base.offset}")
    FOLDS[topic.channel]().load(bytes(base.state))
