"""Whatever happens to a connection, its reader has whole frames, and of each topic everything once and in order."""

from __future__ import annotations

from typing import TypeAlias

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.channels import Channels
from actors.event import ChannelKey, Draft
from actors.outbox import Outbox, OutboxOptions
from actors.position import Position
from actors.retention import Retention
from actors.subscription import Subscription
from tests.support.drafts import Labelled, fact, progress, read_back, text
from tests.support.world import MemorySink, NurserySpawner

TOPICS = ("a", "b", "c")
Step: TypeAlias = tuple[str, str, object]

topics = st.sampled_from(TOPICS)
drafts = st.lists(
    st.one_of(
        st.builds(text, st.text(max_size=40)), st.builds(progress, st.integers(0, 9)), st.builds(fact, st.just(1))
    ),
    min_size=1,
    max_size=8,
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), topics, drafts),
        st.tuples(st.just("publish"), topics, drafts),
        st.tuples(st.just("room"), topics, st.integers(1, 400)),
        st.tuples(st.just("settle"), topics, st.none()),
        st.tuples(st.just("reply"), topics, st.integers(0, 30)),
        st.tuples(st.just("subscribe"), topics, st.integers(0, 12)),
        st.tuples(st.just("unsubscribe"), topics, st.none()),
    ),
    max_size=40,
)


class Client:
    """Carries out the steps, and remembers what was published."""

    def __init__(self, nursery: trio.Nursery, sink: MemorySink, retention: Retention) -> None:
        self.sink = sink
        self.channels = Channels(NurserySpawner(nursery), {"app": retention})
        options = OutboxOptions(batch_bytes=600, replies_bytes=10**6)
        self.outbox = Outbox(sink, nursery.start_soon, options)
        self.encoder = Labelled()
        self.published: dict[str, list[Draft]] = {topic: [] for topic in TOPICS}
        self.held: dict[str, Subscription] = {}

    async def carry_out(self, step: Step) -> None:
        match step:
            case ("publish", topic, list() as drafts):
                self.published[topic] += drafts
                await self.channels.emit(ChannelKey("app", topic), *drafts)
            case ("room", _, int() as room):
                self.sink.let_through(room)
            case ("settle", _, _):
                await wait_all_tasks_blocked()
            case ("reply", topic, int() as size):
                self.outbox.put_nowait(f"{topic} reply {'r' * size}\n".encode())
            case ("subscribe", topic, int() as back):
                self.subscribe(topic, back)
            case ("unsubscribe", topic, _):
                self.unsubscribe(topic)

    def subscribe(self, topic: str, back: int) -> None:
        self.unsubscribe(topic)
        key = ChannelKey("app", topic)
        log = self.channels.log(key)
        start = self.channels.resume(key, Position(log.epoch, max(0, log.tail - back)))
        at = start.offset if start.gap is None else start.gap.first - 1
        self.outbox.put_nowait(f"{topic} subscribed {at}\n".encode())
        self.held[topic] = self.channels.subscribe(key, self.outbox, self.encoder, start)

    def unsubscribe(self, topic: str) -> None:
        if topic in self.held:
            self.channels.unsubscribe(self.held.pop(topic))
            self.outbox.put_nowait(f"{topic} unsubscribed -\n".encode())

    def check(self) -> None:
        """Reads the connection's bytes as its client does."""
        at: dict[str, int] = {}
        assert not self.sink.written or self.sink.written.endswith(b"\n")
        for line in self.sink.lines:
            topic, word, rest = line.split(" ", 2)
            match word:
                case "subscribed":
                    at[topic] = int(rest)
                case "unsubscribed":
                    del at[topic]
                case "reply":
                    assert set(rest) <= {"r"}
                case _:
                    at[topic] = self.check_event(topic, f"{word} {rest}", at[topic])
        assert at == {topic: len(self.published[topic]) for topic in self.held}

    def check_event(self, topic: str, line: str, at: int) -> int:
        seen = read_back(line)
        if seen.event_type == "gap":
            assert isinstance(seen.data, dict)
            assert seen.data["from"] == at + 1
            return int(str(seen.data["to"]))
        assert seen.first == at + 1
        covered = self.published[topic][at : seen.offset]
        assert {one.event_type for one in covered} == {seen.event_type}
        values = [read_back(f"0-0 x {one.body.decode()}").data for one in covered]
        if seen.event_type == "agent.message":
            joined = "".join(str(value["content"]) for value in values if isinstance(value, dict))
            assert seen.data == {"content": joined}
        else:
            assert seen.data == values[-1]
            assert seen.event_type == "step.progress" or len(covered) == 1
        return seen.offset


async def live_through(script: list[Step], room: int, retained: int, direct: bool) -> None:
    async with trio.open_nursery() as nursery:
        client = Client(nursery, MemorySink(room, direct=direct), Retention(events=retained, seconds=1e12))
        for topic in TOPICS[:2]:
            client.subscribe(topic, 0)
        for step in script:
            await client.carry_out(step)
        await wait_all_tasks_blocked()
        client.sink.let_through(None)
        await wait_all_tasks_blocked()
        client.check()
        assert not client.outbox.busy
        nursery.cancel_scope.cancel()


@settings(max_examples=150, deadline=None)
@given(steps, st.integers(0, 300), st.sampled_from([10_000, 6]), st.booleans())
def test_every_reader_has_everything_once_and_in_order(
    script: list[Step], room: int, retained: int, direct: bool
) -> None:
    # The clock stands still: nobody stalls here.
    trio.run(live_through, script, room, retained, direct, clock=MockClock())
