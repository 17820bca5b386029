"""The log on the disk, with its two tables of events, against the store in memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.event import ChannelKey, Event, Merge
from actors.redaction import Drop
from actors.retention import EVENT_OVERHEAD
from actors.store import Compaction, Floor, Opened, Rewrite, StoreError, Write
from engine import recent_events
from engine.sqlite_log import SqliteLog
from tests.support.event_tables import GENERATION, KEYS, counts, event, read_all
from tests.support.memory_store import MemoryStore

SIZES = st.sampled_from([2, 90, recent_events._LARGE_BYTES - 1, recent_events._LARGE_BYTES])
SAID = st.lists(st.tuples(st.sampled_from(KEYS), SIZES, st.sampled_from(Merge)), min_size=1, max_size=12)


@pytest.fixture(autouse=True)
def small_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_events, "GENERATION_EVENTS", GENERATION)
    monkeypatch.setattr(recent_events, "_STEP_EVENTS", 1)


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
        # What would not be moved for a while, is.
        self.log._recent._rest = 0

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

    @rule()
    def purge(self) -> None:
        """Nothing is left of what is gone."""
        while self.log.purge():
            pass
        settled, recent, both = counts(self.path)
        assert settled + recent - both == sum(len(self.model.events(key)) for key in KEYS)

    @rule()
    def restart(self) -> None:
        self.log.close()
        self.log = SqliteLog(self.path)

    @invariant()
    def reads_the_same(self) -> None:
        stored = {each.key: each for each in trio.run(self.model.topics)}
        assert {each.key: each for each in self.log.topics()} == stored
        for key in KEYS:
            assert read_all(self.log, key) == self.model.events(key)

    @invariant()
    def others_read_the_same(self) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as db:
            rows = db.execute(
                "SELECT topic.topic, offset, body, start FROM topic JOIN event ON event.topic = topic.id "
                "WHERE offset > floor ORDER BY slot"
            ).fetchall()
        events = [each for key in KEYS for each in self.model.events(key)]
        assert sorted(row[:3] for row in rows) == sorted((each.key.topic, each.offset, each.body) for each in events)
        for (name, _, body, start), (next_name, _, _, end) in pairwise(rows):
            assert name != next_name or end == start + len(body) + EVENT_OVERHEAD


TwoTables.TestCase.settings = settings(stateful_step_count=30)
TestTwoTables = TwoTables.TestCase
