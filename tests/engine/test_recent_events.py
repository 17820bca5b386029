"""Wherever an event lies on the disk, it is read as if there were one table; what comes of a fall is the same."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.event import ChannelKey, Event, Merge
from actors.log import EVENT_OVERHEAD, Retention
from actors.redaction import Drop
from actors.store import Compaction, Floor, Opened, Record, Rewrite, StoreError, Write
from engine import recent_events
from engine.event_slot import event_slot
from engine.recent_events import PIECE_EVENTS
from engine.sqlite_log import SqliteLog
from engine.sqlite_store import SqliteStore
from engine.store_figures import store_figures
from engine.whole_events import whole_events
from tests.support.memory_store import MemoryStore

KEYS = [ChannelKey("task", f"task-{number}", "alice") for number in range(4)]
SIZES = st.sampled_from([2, 90, recent_events._LARGE_BYTES - 1, recent_events._LARGE_BYTES])
SAID = st.lists(st.tuples(st.sampled_from(KEYS), SIZES, st.sampled_from(Merge)), min_size=1, max_size=12)


def event(key: ChannelKey, offset: int, size: int = 2, merge: Merge = Merge.NEVER) -> Event:
    return Event(key, "one", offset, offset, "word", b"x" * size, merge, "m", 7)


def read_all(log: SqliteLog, key: ChannelKey, at_once: int = 3) -> list[Event]:
    """In pages of so many."""
    found: list[Event] = []
    while page := log.read(key, found[-1].offset if found else 0, max_events=at_once, max_bytes=10**6):
        found += page
    return found


@pytest.fixture(autouse=True)
def small_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", 16)


class TwoTables(RuleBasedStateMachine):
    """The log on the disk against the store in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name) / "callboard.db"
        self.log = SqliteLog(self.path)
        self.model = MemoryStore()
        self.tails: dict[ChannelKey, int] = {}

    def teardown(self) -> None:
        self.log.close()
        self.folder.cleanup()

    def keep(self, write: Write) -> None:
        self.log.commit(write)
        trio.run(self.model.commit, write)

    def following(self, said: list[tuple[ChannelKey, int, Merge]]) -> list[Event]:
        tails = dict(self.tails)
        events: list[Event] = []
        for key, size, merge in said:
            tails[key] = tails.get(key, 0) + 1
            events.append(event(key, tails[key], size, merge))
        return events

    def begin(self, events: list[Event]) -> tuple[Opened, ...]:
        return tuple(Opened(key, "one") for key in {each.key for each in events} - self.tails.keys())

    @rule(said=SAID)
    def say(self, said: list[tuple[ChannelKey, int, Merge]]) -> None:
        events = self.following(said)
        self.keep(Write(opened=self.begin(events), events=events))
        self.tails |= {each.key: each.offset for each in events}

    @rule(said=SAID)
    def refuse(self, said: list[tuple[ChannelKey, int, Merge]]) -> None:
        """What has been there comes once more, with others that are moved beside it."""
        events = self.following(said)
        key = said[0][0]
        again = event(key, self.tails.get(key, 1))
        with pytest.raises(StoreError, match="and not before"):
            self.log.commit_all([Write(opened=self.begin(events), events=events), Write(events=[again])])

    @precondition(lambda self: self.tails)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key in KEYS if key in self.tails]))
        with pytest.raises(StoreError, match="and not before"):
            self.log.commit(Write(events=[event(key, self.tails[key])]))

    @precondition(lambda self: self.tails)
    @rule(data=st.data())
    def change(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from([key for key in KEYS if key in self.tails]))
        events = self.model.events(key)
        passing = [each.offset for each in events[:-1] if each.merge is not Merge.NEVER]
        changes = {
            "floor": Write(floors=[Floor(key, data.draw(st.integers(1, self.tails[key])))]),
            "rewrite": Write(rewrites=[Rewrite(key, Drop(lambda each: each.offset % 3 == 0))]),
            "drop": Write(dropped=[key]),
        }
        if passing:
            changes["compaction"] = Write(compactions=[Compaction(key, data.draw(st.sampled_from(passing)))])
        chosen = data.draw(st.sampled_from(sorted(changes)))
        self.keep(changes[chosen])
        if chosen == "drop":
            del self.tails[key]

    @rule(events=st.integers(1, 20))
    def move(self, events: int) -> None:
        self.log.move_recent(events)

    @rule()
    def purge(self) -> None:
        self.log.purge()

    @rule()
    def tidy(self) -> None:
        """All is moved, and nothing is left of what is gone."""
        while self.log.move_recent(5):
            pass
        while self.log.purge():
            pass
        with closing(sqlite3.connect(self.path)) as db:
            count = db.execute("SELECT (SELECT count(*) FROM event), (SELECT count(*) FROM recent)").fetchone()
        assert count == (sum(len(self.model.events(key)) for key in KEYS), 0)

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.log = SqliteLog(self.path)

    @rule()
    def meddle(self) -> None:
        """What was moved last is moved again, as after a fall in between."""
        self.log._recent.undo()

    @invariant()
    def reads_the_same(self) -> None:
        stored = {each.key: each for each in trio.run(self.model.topics)}
        assert {each.key: each for each in self.log.topics()} == stored
        for key in KEYS:
            assert read_all(self.log, key) == self.model.events(key)

    @invariant()
    def others_read_the_same(self) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            db.execute("PRAGMA query_only = ON")
            with whole_events(db):
                rows = db.execute(
                    "SELECT topic.topic, offset, body, start FROM topic JOIN event ON event.topic = topic.id "
                    "WHERE offset > floor ORDER BY slot"
                ).fetchall()
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute("DELETE FROM event")
        events = [each for key in KEYS for each in self.model.events(key)]
        assert sorted(row[:3] for row in rows) == sorted((each.key.topic, each.offset, each.body) for each in events)
        for (name, _, body, start), (next_name, _, _, end) in pairwise(rows):
            assert name != next_name or end == start + len(body) + EVENT_OVERHEAD


TwoTables.TestCase.settings = settings(stateful_step_count=30)
TestTwoTables = TwoTables.TestCase


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqliteLog]:
    log = SqliteLog(tmp_path / "callboard.db")
    yield log
    log.close()


def test_who_reads_beside_the_writer_finds_no_hole(log: SqliteLog) -> None:
    """Each event is moved while the reader reads, and dropped where it was."""
    writes = 400

    def write() -> None:
        for number in range(writes):
            log.commit(Write(events=[event(key, 3 * number + each) for key in KEYS for each in (1, 2, 3)]))

    writer = threading.Thread(target=write)
    writer.start()
    seen = 0
    while writer.is_alive():
        offsets = [each.offset for each in log.read(KEYS[0], seen, max_events=64, max_bytes=10**6)]
        assert offsets == [*range(seen + 1, seen + 1 + len(offsets))]
        # A part is read again: by then it lies elsewhere.
        seen += 32 if len(offsets) == 64 else 0
    writer.join()
    assert read_all(log, KEYS[0], 100) == [event(KEYS[0], offset) for offset in range(1, 3 * writes + 1)]


def test_what_comes_is_moved_and_dropped_in_step_with_what_comes(
    log: SqliteLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", 100)
    for offset in range(1, 1_001):
        log.commit(Write(events=[event(key, offset) for key in KEYS]))
        with closing(sqlite3.connect(tmp_path / "callboard.db")) as db:
            assert db.execute("SELECT count(*) FROM recent").fetchone()[0] <= 2 * 100 + len(KEYS)


@pytest.mark.parametrize(
    ("gone", "left"), [(Write(floors=[Floor(KEYS[0], 3)]), [4, 5]), (Write(dropped=[KEYS[0]]), [])]
)
def test_what_goes_before_it_is_moved_is_not_moved_any_more(
    log: SqliteLog, tmp_path: Path, gone: Write, left: list[int]
) -> None:
    """It was looked for where it would have been moved to: nobody would look there again."""
    log.commit(Write(events=[event(KEYS[0], offset) for offset in range(1, 6)]))
    log.commit(gone)
    while log.purge():
        pass
    while log.move_recent(5):
        pass
    with closing(sqlite3.connect(tmp_path / "callboard.db")) as db:
        assert db.execute("SELECT offset FROM event").fetchall() == [(offset,) for offset in left]


@pytest.mark.parametrize("moved", range(1, 6))
@pytest.mark.parametrize("floor", range(1, 6))
def test_a_topic_is_cut_short_while_it_is_moved(log: SqliteLog, moved: int, floor: int) -> None:
    log.commit(Write(events=[event(KEYS[0], offset) for offset in range(1, 7)]))
    log.move_recent(moved)
    log.commit(Write(floors=[Floor(KEYS[0], floor)]))
    while log.move_recent(5):
        pass
    assert [each.offset for each in read_all(log, KEYS[0])] == [*range(floor + 1, 7)]


def test_what_fills_a_page_is_not_written_twice(log: SqliteLog, tmp_path: Path) -> None:
    """An import of very many events leaves none that are yet to be moved."""
    log.commit(Write(events=[event(key, 1) for key in KEYS]))
    many = [event(key, offset) for key in KEYS[:2] for offset in range(2, 102)]
    log.commit(Write(events=[*many, event(KEYS[2], 2)]))
    with closing(sqlite3.connect(tmp_path / "callboard.db")) as db:
        slots = db.execute("SELECT slot FROM recent ORDER BY slot").fetchall()
    assert slots == [(event_slot(3, 1),), (event_slot(3, 2),), (event_slot(4, 1),)]
    assert [each.offset for each in read_all(log, KEYS[0])] == [*range(1, 102)]


async def test_on_a_full_disk_the_retention_finds_what_it_may_delete(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", 10_000)
    store = SqliteStore(log)
    await store.commit(Write(events=[event(KEYS[0], offset) for offset in range(1, 101)]))
    for offset in range(1, 101):
        await store.commit(Write(events=[event(key, offset, 90) for key in KEYS[1:]]))
    log.limit_bytes(1)
    for number in range(100):
        with suppress(StoreError):
            await store.commit(Write(records=[Record("ballast", str(number), bytes(400))]))
    with pytest.raises(StoreError, match="full"):
        log.move_recent(PIECE_EVENTS)
    excess = await store.excess({"task": Retention(events=10)}, 7, 0)
    assert [(each.key, each.offset) for each in excess.topics] == [(KEYS[0], 90)]
    await store.commit(Write(floors=[Floor(KEYS[0], 90)]))


def test_what_is_recent_is_in_the_figures(log: SqliteLog, tmp_path: Path) -> None:
    """A command reads the file beside the engine."""
    log.commit(Write(events=[event(KEYS[0], offset) for offset in range(1, 6)]))
    log.move_recent(2)
    (kind,) = store_figures(tmp_path / "callboard.db").kinds
    assert (kind.channel, kind.topics, kind.events, kind.oldest) == ("task", 1, 5, 7)
