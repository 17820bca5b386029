"""A feed that is kept, whose actor or engine crashes while it begins or speaks, and the engine after it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from unittest.mock import patch

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.event import ChannelKey, Draft, Event, draft
from actors.journal import JournalOptions
from actors.projection import NothingHeldBack, NothingRemembered
from actors.redaction import TaskRedaction
from actors.retention import Retention
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore
from tests.support.spawners import CrashOnce, RestartingSpawner

FEED = ChannelKey("feed", "all", "alice")
NEWS = ChannelKey("system", "news", "alice")
TASK = ChannelKey("task", "t", "alice")


class Echo(NothingHeldBack, NothingRemembered):
    """Says of each event where it came from."""

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        return (draft("seen", [event.key.topic, event.offset]),)

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        return lambda event: False


def follow(core: KeptCore) -> None:
    core.feeds.open(FEED, Retention(), Echo).add(NEWS, core.channels.resume(NEWS, None))


def said(store: MemoryStore) -> list[object]:
    return [event.data for event in store.events(FEED)]


async def test_what_is_said_after_a_crash_of_its_own_is_kept_as_said(autojump_clock: MockClock) -> None:
    store = MemoryStore()
    async with trio.open_nursery() as nursery, kept_core(store) as core:
        spawner = RestartingSpawner(nursery)
        core.feeds._supervisor = spawner
        follow(core)
        with patch.object(core.channels, "emit", side_effect=CrashOnce):
            await core.channels.publish(NEWS, draft("fact", 1))
            await wait_all_tasks_blocked()
        assert spawner.running == 0
        spawner.gate.set()
        await wait_all_tasks_blocked()
        assert said(store) == [["news", 1]]
        nursery.cancel_scope.cancel()
    async with kept_core(store) as core:
        follow(core)
        await wait_all_tasks_blocked()
        assert said(store) == [["news", 1]], "how far it had read is kept with it"


async def test_a_feed_that_begins_is_there_whole_or_not_at_all(autojump_clock: MockClock) -> None:
    def begin(core: KeptCore) -> None:
        with core.feeds.beginning():
            follow(core)
            core.feeds.follow(core.feeds.open(FEED, Retention(), Echo), "task", "alice")

    store = MemoryStore()
    images = store.watch_commits()
    async with kept_core(store, journal=JournalOptions(batch=1, gather_seconds=0)) as core:
        begin(core)
        await wait_all_tasks_blocked()
    begun = []
    for image in images:
        async with kept_core(image) as core:
            was_there = core.channels.exists(FEED)
            await core.channels.publish(NEWS, draft("fact", 1))
            await core.channels.publish(TASK, draft("fact", 1))
            begin(core)
            await wait_all_tasks_blocked()
            begun.append(was_there)
            assert said(image) == ([["news", 1], ["t", 1]] if was_there else [])
    assert begun == [False, True]
