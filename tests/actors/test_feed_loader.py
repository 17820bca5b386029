"""How a feed comes back: how far it had read, and the state of its projection; whatever fails on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest
import trio

from actors.event import ChannelKey, Draft, Event, draft
from actors.feed_loader import FeedLoader
from actors.feed_record import FeedRecord
from actors.projection import NothingHeldBack, RebuiltFromTasks
from actors.redaction import TaskRedaction
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore

FEED = ChannelKey("feed", "all", "alice")
NEWS = ChannelKey("system", "news", "alice")
TASK = ChannelKey("task", "t", "alice")


class Seen(NothingHeldBack, RebuiltFromTasks):
    """Takes in everything but `poison`."""

    def __init__(self, poison: object = None) -> None:
        self.seen: list[object] = []
        self.loaded: dict[str, object] = {}
        self._poison = poison

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        if event.data == self._poison:
            raise ValueError("poison")
        self.seen.append(event.data)
        return (draft("told", event.data),)

    def load(self, parts: Mapping[str, bytes]) -> None:
        self.loaded = {name: msgspec.msgpack.decode(body) for name, body in parts.items()}

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        return lambda event: False


async def kept(core: KeptCore, cursors: Mapping[ChannelKey, int], parts: Mapping[str, bytes]) -> None:
    """A feed has taken its sources in up to these cursors."""
    record = FeedRecord(FEED)
    for source, offset in cursors.items():
        record.move(source, offset)
    await core.channels.keeper.keep(*record.changes(parts))


def loader_of(core: KeptCore, store: MemoryStore, projection: Seen) -> tuple[FeedLoader, FeedRecord]:
    record = FeedRecord(FEED)
    return FeedLoader(FEED, core.channels, store, record, projection), record


async def test_what_was_taken_in_is_taken_in_again_and_no_more(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        await core.channels.publish(TASK, *(draft("fact", number) for number in range(5)))
        await core.channels.publish(NEWS, draft("fact", "news"))
        await kept(core, {TASK: 3, NEWS: 1}, {"part": msgspec.msgpack.encode("dumped")})
        loader, record = loader_of(core, store, projection := Seen())
        await loader.load()
        assert (loader.is_loaded, projection.loaded, projection.seen) == (True, {"part": "dumped"}, [])
        await loader.rebuild()
        assert projection.seen == [0, 1, 2]
        assert record.cursors == {TASK: 3, NEWS: 1}
        assert store.events(FEED) == []


async def test_an_event_that_the_projection_cannot_take_is_left_out_by_the_next_try(
    autojump_clock: trio.abc.Clock,
) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        await core.channels.publish(TASK, *(draft("fact", number) for number in range(5)))
        await kept(core, {TASK: 5}, {})
        loader, _ = loader_of(core, store, projection := Seen(poison=2))
        await loader.load()
        with pytest.raises(ValueError, match="poison"):
            await loader.rebuild()
        assert projection.seen == [0, 1]
        await loader.rebuild()
        assert projection.seen == [0, 1, 3, 4]


async def test_a_source_that_is_no_more_is_forgotten(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        await core.channels.publish(NEWS, draft("fact", "news"))
        await kept(core, {TASK: 3, NEWS: 1}, {})
        loader, record = loader_of(core, store, Seen())
        await loader.load()
        await core.channels.keeper.keep()
        assert record.cursors == {NEWS: 1}
        assert len(await store.records(record.kind)) == 1


async def test_what_another_version_has_dumped_is_done_without(
    autojump_clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        await core.channels.publish(TASK, draft("fact", 1))
        await kept(core, {TASK: 1}, {"part": b"\xc1"})
        loader, record = loader_of(core, store, projection := Seen())
        await loader.load()
        await loader.rebuild()
        assert (projection.seen, record.cursors) == ([1], {TASK: 1})
        assert "cannot be read" in caplog.text


async def test_it_waits_for_what_an_earlier_feed_has_yet_to_keep(autojump_clock: trio.abc.Clock) -> None:
    store, loaded = MemoryStore(), trio.Event()
    async with kept_core(store) as core, trio.open_nursery() as nursery:
        await kept(core, {NEWS: 1}, {})
        loader, record = loader_of(core, store, Seen())

        async def load() -> None:
            await loader.load()
            loaded.set()

        store.fail("full")
        said_last = core.channels.origin(NEWS)
        core.channels.keeper.note(*FeedRecord(FEED).hear(said_last))
        nursery.start_soon(load)
        await trio.sleep(60)
        assert not loaded.is_set()
        store.recover()
        with trio.fail_after(60):
            await loaded.wait()
        assert record.heard == said_last
