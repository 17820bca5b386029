"""What is taken back while it is on its way to the store: nobody is sent it, and it is nowhere afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey, Json, draft
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.outbox import Outbox, OutboxOptions
from actors.redaction import Drop, TaskRedaction
from actors.retainer import Retainer, RetainerOptions
from actors.retention import Retention
from actors.snapshots import Snapshots
from tests.support.memory_store import MemoryStore
from tests.support.world import Lines, MemorySink, NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
OTHER = ChannelKey("task", "task-2", "alice")
SECRETS = Drop(lambda event: event.data == "secret")
ANSWERS = TaskRedaction("task-1", asked=False)


class Scene:
    def __init__(self, nursery: trio.Nursery, store: MemoryStore, options: JournalOptions) -> None:
        self.store = store
        self.journal = Journal(store, options)
        keeping = Keeping(self.journal, store, lambda key: True, Retention(events=4))
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(), keeping)
        self.snapshots = Snapshots(self.channels, store)
        self.nursery = nursery
        self.sink = MemorySink()
        outbox = Outbox(self.sink, nursery.start_soon, OutboxOptions())
        self.channels.subscribe(KEY, outbox, Lines(), self.channels.resume(KEY, None))

    async def read(self) -> Sequence[tuple[str, Json]]:
        """The topic as who comes later has it."""
        log = self.channels.log(KEY)
        found = [(event.event_type, event.data) for event in await log.page(0, max_events=99, max_bytes=1 << 20)]
        assert found == [(event.event_type, event.data) for event in self.store.events(KEY)]
        return found


@asynccontextmanager
async def scene(options: JournalOptions | None = None) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore(seconds=1), options or JournalOptions())
        await nursery.start(here.journal.run)
        yield here
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seconds", [0, 0.5], ids=["queued", "being committed"])
async def test_in_the_journal(autojump_clock: trio.abc.Clock, seconds: float) -> None:
    async with scene() as here:
        await here.channels.emit(KEY, draft("word", "plain"), draft("word", "secret"))
        await trio.sleep(seconds)
        await here.channels.redact(KEY, SECRETS)
        await here.channels.emit(KEY, draft("word", "secret"))
        await trio.sleep(9)
        # What is said later is not concerned.
        assert here.sink.lines == ['1-1 word "plain"', "2-2 redacted {}", '3-3 word "secret"']
        assert await here.read() == [("word", "plain"), ("redacted", {}), ("word", "secret")]


async def test_waiting_for_room_in_the_journal(autojump_clock: trio.abc.Clock) -> None:
    async with scene(JournalOptions(waiting=1, batch=1)) as here:
        for _ in range(3):
            await here.channels.emit(OTHER, draft("word", "fills the journal"))
        here.nursery.start_soon(here.channels.emit, KEY, draft("word", "secret"))
        await wait_all_tasks_blocked()
        await here.channels.redact(KEY, SECRETS)
        await trio.sleep(20)
        assert await here.read() == [("redacted", {})]
        await here.channels.publish(KEY, draft("word", "secret"))
        assert await here.read() == [("redacted", {}), ("word", "secret")]


async def test_in_the_base_of_a_snapshot(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        for _ in range(8):
            await here.channels.emit(KEY, draft("agent.message", {"content": "secret "}))
        bounds = {"task": Retention(events=2)}
        retainer = Retainer(here.store, here.journal, here.channels, bounds, fold_before=here.snapshots.fold_before)
        await trio.sleep(9)
        await retainer.round()
        assert b"secret" in (await here.snapshots.take(KEY)).body
        here.store.fail("disk full")
        await here.channels.redact(KEY, ANSWERS)
        here.store.recover()
        # The commit that takes it back is still to come.
        assert b"secret" not in (await Snapshots(here.channels, here.store).take(KEY)).body
        await trio.sleep(9)
        assert b"secret" not in (await Snapshots(here.channels, here.store).take(KEY)).body


async def test_in_the_base_that_is_about_to_be_written(autojump_clock: trio.abc.Clock) -> None:
    async with scene(JournalOptions(waiting=1, batch=1)) as here:
        for _ in range(8):
            await here.channels.emit(KEY, draft("agent.message", {"content": "secret "}))
        bounds = {"task": Retention(events=2)}
        retainer = Retainer(
            here.store,
            here.journal,
            here.channels,
            bounds,
            fold_before=here.snapshots.fold_before,
            options=RetainerOptions(rest=0),
        )
        await trio.sleep(20)
        for _ in range(3):
            await here.channels.emit(OTHER, draft("word", "fills the journal"))
        here.nursery.start_soon(retainer.round)
        await wait_all_tasks_blocked()
        await here.channels.redact(KEY, ANSWERS)
        await trio.sleep(20)
        await retainer.round()
        assert here.channels.log(KEY).first > 1, "the test must come to a base"
        assert b"secret" not in (await Snapshots(here.channels, here.store).take(KEY)).body
        assert not [body for _, body in await here.store.records("snapshot") if b"secret" in body]
