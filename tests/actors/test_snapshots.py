"""Snapshots through the real channels: one at any offset and the events behind it come to the same as all events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Draft, Event, Merge, draft
from actors.journal import Journal
from actors.journal_entries import Kept
from actors.kept_topics import Keeping
from actors.log import Log
from actors.mailbox import Reply
from actors.redaction import Drop, TaskRedaction
from actors.retention import Retention
from actors.session_fold import SessionFold
from actors.snapshots import Snapshots, SnapshotsOptions
from actors.store import Floor
from actors.task_fold import TaskFold
from tests.support.memory_store import MemoryStore
from tests.support.world import NurserySpawner

TASK = ChannelKey("task", "task-1", "alice")
SESSION = ChannelKey("session", "session-1", "alice")


def text(content: str, key: str = "m") -> Draft:
    return draft("agent.message", {"content": content}, merge=Merge.TEXT, merge_key=key)


def output(content: str, run: str = "task-1") -> Draft:
    return draft("output", {"exec_id": run, "content": content}, merge=Merge.TEXT, merge_key=run)


class Scene:
    """Topics of which four events are in memory."""

    def __init__(self, nursery: trio.Nursery, store: MemoryStore, cached: int = 256) -> None:
        self.store = store
        self.journal = Journal(store)
        keeping = Keeping(self.journal, store, lambda key: True, Retention(events=4))
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=0), keeping)
        self.snapshots = Snapshots(self.channels, store, SnapshotsOptions(cached))

    def log(self, key: ChannelKey) -> Log:
        return self.channels.log(key)

    async def raise_floor(self, key: ChannelKey, offset: int) -> None:
        """As retention does it."""
        record = await self.snapshots.fold_before(key, offset)
        reply: Reply[None] = Reply()
        records = () if record is None else (record,)
        self.journal.put_nowait(Kept(records=records, floors=(Floor(key, offset),), reply=reply))
        await reply.wait()
        self.log(key).raise_floor(offset)

    async def everything_after(self, key: ChannelKey, offset: int) -> list[Event]:
        events: list[Event] = []
        while offset < self.log(key).tail:
            events += await self.log(key).page(offset, max_events=3, max_bytes=10**6)
            offset = events[-1].offset
        return events


@asynccontextmanager
async def scene(store: MemoryStore | None = None, cached: int = 256) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, store or MemoryStore(), cached)
        await nursery.start(here.journal.run)
        yield here
        nursery.cancel_scope.cancel()


def folded(key: ChannelKey, snapshot: Event | None, events: Sequence[Event]) -> bytes:
    fold = TaskFold() if key == TASK else SessionFold()
    if snapshot is not None:
        fold.load(snapshot.body)
    for event in events:
        fold.apply(event)
    return fold.dump()


_NAMES = st.sampled_from(["", "a", "b", "é\u2028"])
_DRAFTS = st.one_of(
    st.builds(text, st.text(max_size=3), _NAMES),
    st.builds(output, st.text(max_size=3), _NAMES),
    st.builds(
        draft,
        st.sampled_from(["task.started", "step.started", "step.confirm", "plan.created", "message", "done", "custom"]),
        st.dictionaries(st.sampled_from(["step_id", "exec_id", "name"]), _NAMES, max_size=2),
    ),
    st.builds(
        lambda name, value: draft("step.progress", {"step_id": name, "progress": value}, merge=Merge.LAST),
        _NAMES,
        st.integers(0, 9),
    ),
)
_STEPS = st.lists(
    st.one_of(
        st.lists(_DRAFTS, min_size=1, max_size=6).map(tuple),
        st.sampled_from(["snapshot", "floor", "restart"]),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(steps=_STEPS, key=st.sampled_from([TASK, SESSION]), data=st.data())
def test_any_snapshot_and_its_tail_come_to_all_events(
    steps: list[tuple[Draft, ...] | str], key: ChannelKey, data: st.DataObject
) -> None:
    async def check() -> None:
        store = MemoryStore()
        snapshots: list[Event] = []
        everything: list[Event] = []
        rest: list[tuple[Draft, ...] | str] | None = list(steps)
        while rest is not None:
            # Each turn is one life of the engine.
            async with scene(store, cached=data.draw(st.sampled_from([0, 1]))) as here:
                for topic in await store.topics():
                    here.channels.take_up(topic)
                rest = await live(here, rest, snapshots, everything)
        for snapshot in snapshots:
            assert snapshot.first == min(1, snapshot.offset)
            assert folded(key, snapshot, everything[snapshot.offset :]) == folded(key, None, everything)

    async def live(
        here: Scene, rest: list[tuple[Draft, ...] | str], snapshots: list[Event], everything: list[Event]
    ) -> list[tuple[Draft, ...] | str] | None:
        for number, step in enumerate(rest):
            log = here.log(key)
            if isinstance(step, tuple):
                await here.channels.publish(key, *step)
                everything += await here.everything_after(key, len(everything))
            elif step == "snapshot":
                snapshots.append(await here.snapshots.take(key))
                assert snapshots[-1].offset == log.tail
            elif step == "floor" and log.tail:
                await here.raise_floor(key, data.draw(st.integers(1, log.tail)))
            elif step == "restart":
                return rest[number + 1 :]
        snapshots.append(await here.snapshots.take(key))
        return None

    trio.run(check)


async def test_a_second_asker_costs_only_what_came_since(monkeypatch: pytest.MonkeyPatch) -> None:
    applied: list[int] = []
    apply = TaskFold.apply

    def counted(fold: TaskFold, event: Event) -> None:
        applied.append(event.offset)
        apply(fold, event)

    monkeypatch.setattr(TaskFold, "apply", counted)
    async with scene() as here:
        await here.channels.publish(TASK, *(text(str(number)) for number in range(100)))
        await here.snapshots.take(TASK)
        assert applied == [*range(1, 101)]
        await here.channels.publish(TASK, text("x"), text("y"))
        await here.snapshots.take(TASK)
        again = await here.snapshots.take(TASK)
        assert applied == [*range(1, 103)]
        assert again.offset == 102


async def test_two_who_ask_at_once_get_the_same() -> None:
    async with scene() as here:
        await here.channels.publish(TASK, *(text(str(number)) for number in range(3000)))
        taken: list[Event] = []

        async def take() -> None:
            taken.append(await here.snapshots.take(TASK))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            nursery.start_soon(take)
        assert taken[0] == taken[1]
        assert taken[0].body == folded(TASK, None, await here.everything_after(TASK, 0))


async def test_folds_beyond_the_bound_go_and_come_back() -> None:
    keys = [ChannelKey("task", f"task-{number}", "alice") for number in range(3)]
    async with scene(cached=1) as here:
        for key in keys:
            await here.channels.publish(key, text(key.topic))
        for key in (*keys, *keys):
            snapshot = await here.snapshots.take(key)
            assert isinstance(snapshot.data, dict)
            assert snapshot.data["messages"] == {"m": key.topic}


async def test_what_is_taken_back_is_in_no_snapshot_any_more() -> None:
    async with scene() as here:
        await here.channels.publish(TASK, draft("task.started", {"task_id": "task-1"}), *map(text, "secret"))
        before = await here.snapshots.take(TASK)
        assert b"secret" in before.body
        await here.raise_floor(TASK, 3)
        await here.channels.redact(TASK, TaskRedaction("task-1", asked=True), lasting=True)
        # The store is told later: what is read from it meanwhile is redacted already.
        assert b"ret" not in (await here.snapshots.take(TASK)).body
        await here.channels.publish(TASK, text("more"))
        after = await here.snapshots.take(TASK)
        assert isinstance(after.data, dict)
        assert after.data["messages"] == {"m": ""}
        assert after.data["started"] == {"task_id": "task-1", "redacted": True}


async def test_a_message_of_a_session_that_is_taken_back_is_gone_from_its_base() -> None:
    said = [
        draft("chat.message", {"exec_id": "task-1", "content": "psst"}),
        output("psst"),
        draft("message", {"role": "user", "content": "psst", "task_id": "task-1", "index": 0}),
        draft("message", {"role": "user", "content": "hello", "task_id": "task-2", "index": 1}),
        draft("custom", {"exec_id": "task-2"}),
    ]
    async with scene() as here:
        await here.channels.publish(SESSION, *said)
        await here.raise_floor(SESSION, 4)
        await here.channels.redact(SESSION, TaskRedaction("task-1", asked=True), lasting=False)
        await here.channels.publish(SESSION, draft("custom", {}))
        snapshot = await here.snapshots.take(SESSION)
        assert b"psst" not in snapshot.body
        assert b"hello" in snapshot.body
        await here.channels.redact(SESSION, Drop(lambda event: b"hello" in event.body), lasting=False)
        await here.channels.publish(SESSION, draft("custom", {}))
        assert b"hello" not in (await here.snapshots.take(SESSION)).body


async def test_without_a_store_a_snapshot_says_from_which_event_on_it_is() -> None:
    async with trio.open_nursery() as nursery:
        channels = Channels(NurserySpawner(nursery), {"task": Retention(events=3)})
        snapshots = Snapshots(channels)
        await channels.publish(TASK, *map(text, "abcde"))
        late = await snapshots.take(TASK)
        assert (late.first, late.offset) == (3, 5)
        assert late.data == (await snapshots.take(TASK)).data
        await channels.publish(TASK, *map(text, "fg"))
        # It was asked for in time: nothing has been dropped before it was folded.
        grown = await snapshots.take(TASK)
        assert (grown.first, grown.offset) == (3, 7)
        assert isinstance(grown.data, dict)
        assert grown.data["messages"] == {"m": "cdefg"}
        await channels.publish(TASK, *map(text, "hijklm"))
        assert (await snapshots.take(TASK)).first == 11
        nursery.cancel_scope.cancel()


async def test_an_empty_topic_has_an_empty_snapshot() -> None:
    async with scene() as here:
        snapshot = await here.snapshots.take(TASK)
        assert (snapshot.first, snapshot.offset) == (0, 0)
        assert snapshot.body == TaskFold().dump()


async def test_other_channels_have_none_and_a_store_that_cannot_be_read_is_told() -> None:
    async with scene() as here:
        with pytest.raises(CallboardError, match="has no snapshots: only task and session have") as refusal:
            await here.snapshots.take(ChannelKey("app", "news"))
        assert refusal.value.code is ErrorCode.INVALID_PAYLOAD
        assert await here.snapshots.fold_before(ChannelKey("app", "news"), 1) is None
        await here.channels.publish(TASK, *map(text, "abcdefgh"))
        here.store.fail("disk gone")
        with pytest.raises(CallboardError, match="disk gone") as failure:
            await here.snapshots.take(TASK)
        assert failure.value.code is ErrorCode.UNAVAILABLE


async def test_a_topic_that_is_forgotten_leaves_no_base() -> None:
    async with scene() as here:
        await here.channels.publish(TASK, *map(text, "abcdef"))
        await here.raise_floor(TASK, 5)
        assert len(await here.store.records("snapshot")) == 1
        here.channels.forget(TASK)
        await here.channels.publish(TASK, text("anew"))
        assert await here.store.records("snapshot") == []
        snapshot = await here.snapshots.take(TASK)
        assert isinstance(snapshot.data, dict)
        assert snapshot.data["messages"] == {"m": "anew"}
