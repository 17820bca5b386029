"""Topics and feeds over a store that outlives them: begun again on it they are what a restarted engine is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey
from actors.feeds import Feeds, FeedsOptions
from actors.journal import Journal, JournalOptions
from actors.kept_topics import Keeping
from actors.retention import Retention
from tests.support.memory_store import MemoryStore
from tests.support.world import NurserySpawner

_KEPT = frozenset({"task", "session", "system", "feed"})
AT_ONCE = JournalOptions(gather_seconds=0)
"""All that was said is kept once every task is blocked."""


class KeptCore:
    """One life of it."""

    def __init__(
        self, nursery: trio.Nursery, store: MemoryStore, feeds: int = 100, journal: JournalOptions = AT_ONCE
    ) -> None:
        self.store = store
        self.journal = Journal(store, journal)
        window = Retention(events=8)
        keeping = Keeping(self.journal, store, lambda key: key.channel in _KEPT, window)
        options = ChannelsOptions(idle_seconds=1)
        self.channels = Channels(NurserySpawner(nursery), {}, options, keeping)
        self.feeds = Feeds(NurserySpawner(nursery), self.channels, FeedsOptions(feeds), store)

    def tail(self, key: ChannelKey) -> int:
        log = self.channels.peek(key)
        return 0 if log is None else log.tail


@asynccontextmanager
async def kept_core(store: MemoryStore, feeds: int = 100, journal: JournalOptions = AT_ONCE) -> AsyncIterator[KeptCore]:
    """Leaving it is a kill: what is not in the store by then will never be."""
    async with trio.open_nursery() as nursery:
        core = KeptCore(nursery, store, feeds, journal)
        for topic in await store.topics():
            core.channels.take_up(topic)
        await nursery.start(core.journal.run)
        yield core
        store.fail("killed")
        nursery.cancel_scope.cancel()
    store.recover()
