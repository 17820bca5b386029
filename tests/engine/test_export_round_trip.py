"""Whatever retention and compaction have left of a topic, it answers every reader the same where it was imported."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from actors.channels import Channels
from actors.event import ChannelKey, Draft, Merge, draft
from actors.journal import Journal
from actors.kept_topics import Keeping
from actors.log import Log
from actors.position import Position
from actors.retention import Retention
from actors.snapshots import Snapshots
from actors.store import Floor, Opened, Write
from engine.exporter import export
from engine.importer import import_lines
from engine.sqlite_log import SqliteLog
from engine.sqlite_store import SqliteStore
from tests.support.stored_conversation import OWNER, session, task
from tests.support.world import NurserySpawner

TASK = ChannelKey("task", "task-1", OWNER)
SESSION = ChannelKey("session", "session-1", OWNER)
RECORDS = [session("session-1", 1), task("task-1", 1, session_id="session-1")]

_NAMES = st.sampled_from(["", "a", "é\u2028\n"])


def _text(kind: str, content: str, key: str) -> Draft:
    return draft(kind, {"content": content, "exec_id": key}, merge=Merge.TEXT, merge_key=key)


_DRAFTS = st.one_of(
    st.builds(_text, st.sampled_from(["agent.message", "output"]), st.text(max_size=3), _NAMES),
    st.builds(
        draft,
        st.sampled_from(["task.started", "step.confirm", "message", "done", "custom"]),
        st.dictionaries(st.sampled_from(["step_id", "exec_id"]), _NAMES, max_size=2),
    ),
    st.builds(lambda name: draft("step.progress", {"step_id": name}, merge=Merge.LAST), _NAMES),
)
Treatment: TypeAlias = Literal["compact"] | int
_TREATMENTS: st.SearchStrategy[list[Treatment]] = st.lists(
    st.one_of(st.just("compact"), st.integers(1, 12)), max_size=2
)


class Kept:
    """A store's file, read as an engine reads it."""

    def __init__(self, path: Path, nursery: trio.Nursery) -> None:
        self.log = SqliteLog(path)
        self.store = SqliteStore(self.log)
        keeping = Keeping(Journal(self.store), self.store, lambda key: True, Retention(events=2))
        self.channels = Channels(NurserySpawner(nursery), {}, keeping=keeping)
        self.snapshots = Snapshots(self.channels, self.store)
        for topic in self.log.topics():
            self.channels.take_up(topic)

    async def treat(self, key: ChannelKey, treatments: list[Treatment]) -> None:
        """As retention and compactor do it."""
        log = self.channels.log(key)
        for treatment in treatments:
            if treatment != "compact":
                record = await self.snapshots.fold_before(key, treatment)
                records = () if record is None else (record,)
                self.log.commit(Write(records=records, floors=[Floor(key, min(treatment, log.tail))]))
                log.raise_floor(treatment)
            elif (found := await self.snapshots.compact(log)) is not None:
                self.log.commit(Write(records=found[:1], compactions=found[1:]))
                log.compact(found[1].offset)

    async def answers(self, key: ChannelKey) -> list[object]:
        """What readers are told that come from anywhere, but for the epoch."""
        log = self.channels.log(key)
        snapshot = await self.snapshots.take(key)
        # Holes where nothing is kept any more are none that a reader meets.
        told: list[object] = [log.first, log.tail, max(log.holes, log.first - 1), log.last_type]
        told.append((snapshot.first, snapshot.offset, snapshot.body, snapshot.timestamp if log.tail else None))
        for offset in range(log.tail + 1):
            start = log.resume(Position(log.epoch, offset))
            told.append(
                (start.offset, start.is_whole, start.gap and (start.gap.first, start.gap.last, start.gap.reason))
            )
            told += await _read_after(log, start.offset)
        return told


async def _read_after(log: Log, offset: int) -> list[object]:
    told: list[object] = []
    while offset < log.tail:
        page = await log.page(offset, max_events=3, max_bytes=10**6)
        # The time of a gap is that of its reading.
        told += [
            (one.event_type, one.offset, one.body, one.event_type == "gap" or one.timestamp, one.merge, one.merge_key)
            for one in log.with_gaps(offset, page)
        ]
        offset = page[-1].offset
    return told


@pytest.mark.parametrize("asked", ["session-1", "task-1"])
@given(
    said=st.lists(_DRAFTS, max_size=12), told=st.lists(_DRAFTS, max_size=12), how=st.tuples(_TREATMENTS, _TREATMENTS)
)
def test_what_was_imported_answers_as_what_was_exported(
    tmp_path_factory: pytest.TempPathFactory,
    asked: str,
    said: list[Draft],
    told: list[Draft],
    how: tuple[list[Treatment], list[Treatment]],
) -> None:
    folder = tmp_path_factory.mktemp("round-trip")
    keys = (TASK,) if asked == TASK.topic else (SESSION, TASK)

    async def keep() -> None:
        async with trio.open_nursery() as nursery:
            kept = Kept(folder / "here.db", nursery)
            for key, drafts, treatments in ((SESSION, said, how[0]), (TASK, told, how[1])):
                place = Log(key, Retention(), epoch="one")
                events = [place.append(each) for each in drafts]
                kept.log.commit(Write(opened=[Opened(key, "one")], events=events, records=RECORDS))
                [stored] = [topic for topic in kept.log.topics() if topic.key == key]
                kept.channels.take_up(stored)
                await kept.treat(key, treatments)
            kept.log.close()

    async def read(path: Path) -> list[list[object]]:
        async with trio.open_nursery() as nursery:
            kept = Kept(path, nursery)
            answers = [await kept.answers(key) for key in keys]
            kept.log.close()
        return answers

    trio.run(keep)
    before = trio.run(read, folder / "here.db")
    import_lines(folder / "there.db", export(folder / "here.db", asked))
    assert trio.run(read, folder / "there.db") == before
