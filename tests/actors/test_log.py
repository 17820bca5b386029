from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from actors.event import Merge, draft
from actors.log import Log
from actors.position import Position
from actors.resumption import Gap, Resumption
from actors.retention import Retention
from tests.support.drafts import KEY, fact, log_of

OVERHEAD = 200
"""What the log charges for an event beside its body."""


class LogMachine(RuleBasedStateMachine):
    """The log beside a plain list that never forgets, and the number of events dropped from its front."""

    @initialize(events=st.integers(1, 120), bytes_=st.integers(300, 40_000), seconds=st.integers(1, 50))
    def start(self, events: int, bytes_: int, seconds: int) -> None:
        self.retention = Retention(events, bytes_, float(seconds))
        self.log = Log(KEY, self.retention)
        self.all: list[tuple[bytes, int]] = []
        self.dropped = 0
        self.now = 1_000_000

    @property
    def kept(self) -> list[tuple[bytes, int]]:
        return self.all[self.dropped :]

    def cost(self) -> int:
        return sum(len(body) + OVERHEAD for body, _ in self.kept)

    @rule(sizes=st.lists(st.integers(0, 2000), max_size=60))
    def append(self, sizes: list[int]) -> None:
        for size in sizes:
            event = self.log.append(draft("fact", "x" * size, timestamp=self.now))
            self.all.append((event.body, self.now))
            assert event.offset == event.first == len(self.all)
            while len(self.kept) > self.retention.events or self.cost() > self.retention.bytes:
                self.dropped += 1

    @rule(seconds=st.integers(1, 30))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1000

    @rule()
    def trim(self) -> None:
        horizon = self.now - int(self.retention.seconds * 1000)
        before = self.dropped
        while self.kept and self.kept[0][1] < horizon:
            self.dropped += 1
        assert self.log.trim(self.now) == self.dropped - before

    @rule(after=st.integers(0, 400), max_events=st.integers(1, 80), max_bytes=st.integers(0, 5000))
    def read(self, after: int, max_events: int, max_bytes: int) -> None:
        events = self.log.read(after, max_events=max_events, max_bytes=max_bytes)
        begin = max(after, self.dropped)
        expected = self.all[begin : begin + max_events]
        assert [event.body for event in events] == [body for body, _ in expected[: len(events)]]
        assert [event.offset for event in events] == list(range(begin + 1, begin + 1 + len(events)))
        size = sum(len(event.body) + OVERHEAD for event in events)
        assert size <= max_bytes or len(events) <= 1
        if len(events) < len(expected):
            assert events
            assert size + len(expected[len(events)][0]) + OVERHEAD > max_bytes

    @rule(offset=st.integers(0, 400))
    def resume(self, offset: int) -> None:
        tail, epoch = len(self.all), self.log.epoch
        if offset > tail:
            expected = Resumption(tail, Gap(epoch, tail + 1, offset, "future"))
        elif offset < self.dropped:
            expected = Resumption(self.dropped, Gap(epoch, offset + 1, self.dropped, "retention"))
        else:
            expected = Resumption(offset, None)
        assert self.log.resume(Position(epoch, offset)) == expected

    @rule()
    def resume_elsewhere(self) -> None:
        gap = Gap(self.log.epoch, 1, self.dropped, "epoch")
        assert self.log.resume(Position("another", 3)) == Resumption(self.dropped, gap)
        assert self.log.resume(None) == Resumption(len(self.all), None)
        assert self.log.replay().offset == self.dropped

    @invariant()
    def figures_agree(self) -> None:
        if hasattr(self, "log"):
            figures = self.log.statistics()
            assert (figures.first, figures.tail) == (self.dropped + 1, len(self.all))
            assert (figures.events, figures.bytes) == (len(self.kept), self.cost())


LogMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestLog = LogMachine.TestCase


def test_each_life_of_a_log_has_its_epoch() -> None:
    assert Log(KEY, Retention()).epoch != Log(KEY, Retention()).epoch


def test_what_is_dropped_gives_its_memory_back_at_once() -> None:
    log = log_of(retention=Retention(events=1000, bytes=10_000, seconds=1e12))
    for size in (9000, *[1] * 40):
        log.append(draft("fact", "x" * size, timestamp=1))
    held = sum(len(event.body) for event in log._events)
    assert held < 9000
    assert log.first == 2


def test_an_event_keeps_what_its_draft_said() -> None:
    event = log_of(draft("a.b", {"x": [1]}, merge=Merge.LAST, merge_key="k", timestamp=7)).read(
        0, max_events=1, max_bytes=0
    )[0]
    assert (event.event_type, event.data, event.merge, event.merge_key) == ("a.b", {"x": [1]}, Merge.LAST, "k")
    assert (event.timestamp, event.key, event.epoch) == (7, KEY, "e1")


def test_what_a_reader_has_missed() -> None:
    log = log_of(*map(fact, range(10)), retention=Retention(events=4, seconds=1e12))
    assert log.missed(6) is None
    assert log.missed(5) == Gap("e1", 6, 6, "retention")
    assert log.missed(0) == Gap("e1", 1, 6, "retention")
