"""A kept topic while the store is slow or fails: who waits for room keeps his place, who lags is not led astray."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from trio.testing import wait_all_tasks_blocked

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey, draft
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.outbox import Outbox, OutboxOptions
from actors.retention import Retention
from tests.support.memory_store import MemoryStore
from tests.support.world import Lines, MemorySink, NurserySpawner

KEY = ChannelKey("task", "task-1", "alice")
OTHER = ChannelKey("task", "task-2", "alice")


class Scene:
    """A journal with room for one entry beside the one under way, and topics of which four events are in memory."""

    def __init__(self, nursery: trio.Nursery, store: MemoryStore) -> None:
        self.store = store
        self.nursery = nursery
        self.journal = Journal(store, JournalOptions(waiting=1, batch=1))
        keeping = Keeping(self.journal, store, lambda key: True, Retention(events=4))
        self.channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(idle_seconds=1), keeping)

    def follow(self, sink: MemorySink) -> None:
        outbox = Outbox(sink, self.nursery.start_soon, OutboxOptions(batch_bytes=1))
        self.channels.subscribe(KEY, outbox, Lines(), self.channels.resume(KEY, None))


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        here = Scene(nursery, MemoryStore())
        await nursery.start(here.journal.run)
        yield here
        nursery.cancel_scope.cancel()


async def test_a_topic_is_not_put_away_while_somebody_waits_to_add_to_it(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        here.store.fail("disk full")
        await here.channels.emit(OTHER, draft("word", "fills the journal"))
        await here.channels.emit(OTHER, draft("word", "fills the journal"))
        here.nursery.start_soon(here.channels.emit, KEY, draft("word", "waits for room"))
        await trio.sleep(5)
        await here.channels.sweep.run()
        here.store.recover()
        await trio.sleep(5)
        assert [event.data for event in here.store.events(KEY)] == ["waits for room"]
        await here.channels.sweep.run()
        assert here.channels.statistics().live == 0


async def test_who_gives_up_waiting_lets_the_topic_go(autojump_clock: trio.abc.Clock) -> None:
    async with scene() as here:
        here.store.fail("disk full")
        await here.channels.emit(OTHER, draft("word", "fills the journal"))
        await here.channels.emit(OTHER, draft("word", "fills the journal"))
        with trio.move_on_after(1):
            await here.channels.emit(KEY, draft("word", "waits for room"))
        await trio.sleep(5)
        await here.channels.sweep.run()
        assert not here.channels.is_followed(KEY)
        here.store.recover()
        await trio.sleep(5)
        assert here.store.events(KEY) == []


async def test_who_lags_when_the_topic_is_forgotten_is_told_of_the_gap_and_gets_what_is_in_memory() -> None:
    async with scene() as here:
        sink = MemorySink(room=0)
        here.follow(sink)
        for number in range(10):
            await here.channels.publish(KEY, draft("word", number))
        here.channels.forget(KEY)
        # What begins anew under the name is another topic.
        for number in range(100, 120):
            await here.channels.publish(KEY, draft("word", number))
        sink.let_through(None)
        await wait_all_tasks_blocked()
        first, *rest = sink.lines
        assert first.startswith("1-1 word 0")
        assert rest[0] == '6-6 gap {"from":2,"to":6,"reason":"retention"}'
        assert rest[1:] == [f"{number + 1}-{number + 1} word {number}" for number in range(6, 10)]


async def test_many_topics_are_dropped_in_one_commit_and_begin_anew_in_the_next(
    autojump_clock: trio.abc.Clock,
) -> None:
    store = MemoryStore(seconds=1)
    async with trio.open_nursery() as nursery:
        journal = Journal(store)
        keeping = Keeping(journal, store, lambda key: True, Retention())
        channels = Channels(NurserySpawner(nursery), {}, ChannelsOptions(), keeping)
        await nursery.start(journal.run)
        keys = [ChannelKey("task", f"task-{number}", "alice") for number in range(50)]
        for key in keys:
            await channels.emit(key, draft("word", "before"))
        await journal.keep()
        commits = store.commits
        for key in keys:
            channels.forget(key)
        for key in keys[:10]:
            await channels.emit(key, draft("word", "after"))
        await journal.keep()
        assert store.commits - commits <= 3
        assert [[event.data for event in store.events(key)] for key in keys] == [["after"]] * 10 + [[]] * 40
        nursery.cancel_scope.cancel()
