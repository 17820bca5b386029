"""A store as an engine would have left it, written without one: to publish so many events to one takes minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from actors.commands import CreateTask, TaskState
from actors.event import ChannelKey, Draft, Event, Json, Merge, draft
from actors.kept_task import task_record
from actors.log import Log
from actors.retention import Retention
from actors.store import Opened, Write
from actors.task_handle import started_draft, terminal_draft
from actors.task_record import Ending, TaskRecord
from engine.sqlite_log import SqliteLog

USER = "bench"
TOKENS = 5
_AT_ONCE = 1000
"""Writes in one transaction."""
_ALL = Retention(events=1 << 40, bytes=1 << 60)


def published(epochs: Mapping[str, str], data: Sequence[Json]) -> Iterator[Write]:
    """Topics of the channel `app`, each in its epoch, with an event for each datum."""
    drafts = [draft("bench", each) for each in data]
    for topic, epoch in epochs.items():
        log = Log(ChannelKey("app", topic), _ALL, epoch=epoch)
        yield Write(events=_appended(log, drafts))


def ended_tasks(count: int) -> Iterator[Write]:
    """Tasks of one user that said some words each and completed."""
    word = draft("agent.message", {"content": "so many words "}, merge=Merge.TEXT, merge_key="message-1")
    for number in range(count):
        log = Log(ChannelKey("task", f"task-{number:016x}", USER), _ALL)
        record = TaskRecord(log.key.topic, USER, CreateTask(agent="offline", prompt="go"), None, log.position, 100)
        record.serial = number + 1
        record.start()
        ending = Ending(TaskState.COMPLETED, result="so many words " * TOKENS)
        record.finish(ending)
        drafts = [started_draft(record), *[word] * TOKENS, terminal_draft(record, ending)]
        opened = (Opened(log.key, log.epoch),)
        yield Write(opened=opened, events=_appended(log, drafts), records=(task_record(record),))


def spoken(topic: str, events: int, body: Json) -> Iterator[Write]:
    """One topic of the channel `app` that holds very many events."""
    log = Log(ChannelKey("app", topic), Retention(events=1))
    said = draft("bench", body)
    for start in range(0, events, _AT_ONCE):
        yield Write(events=_appended(log, [said] * min(_AT_ONCE, events - start)))


def filled(writes: Iterable[Write]) -> Callable[[Path], None]:
    """What writes all that into the database at a path."""

    def fill(path: Path) -> None:
        rest = iter(writes)
        with closing(SqliteLog(path)) as log:
            while some := tuple(islice(rest, _AT_ONCE)):
                log.commit_all(some)

    return fill


def _appended(log: Log, drafts: Iterable[Draft]) -> tuple[Event, ...]:
    return tuple(log.append(each) for each in drafts)
