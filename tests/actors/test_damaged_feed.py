"""What is kept of a feed is damaged on the disk: that is reported, and the feed goes on without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.event import ChannelKey, Draft, Event, draft, now_ms
from actors.projection import NothingHeldBack
from actors.redaction import TaskRedaction
from actors.retention import Retention
from actors.store import Record, Write, own_kind
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore

FEED = ChannelKey("feed", "words", "alice")
NEWS = ChannelKey("system", "news", "alice")
KIND = own_kind(FEED)
SOURCE = f"source {msgspec.json.encode(NEWS).decode()}"
NO_MESSAGE_PACK, NO_UTF8 = b"\xc1", b"\xa1\xff"
MONTH_MS = 31 * 24 * 3600 * 1000


class Words(NothingHeldBack):
    """Says all the words so far."""

    def __init__(self) -> None:
        self.words = ""

    def project(self, event: Event, now: float) -> Sequence[Draft]:
        self.words += str(event.data)
        return (draft("said", self.words),)

    def redact(self, redaction: TaskRedaction) -> Callable[[Event], bool]:
        return lambda event: False

    def dump(self) -> Mapping[str, bytes | None]:
        return {"words": msgspec.msgpack.encode(self.words)}

    def load(self, parts: Mapping[str, bytes]) -> None:
        self.words = msgspec.msgpack.decode(parts["words"], type=str)

    def is_rebuilt_from(self, source: ChannelKey) -> bool:
        return False


async def say(core: KeptCore, word: str) -> None:
    core.feeds.open(FEED, Retention(), Words).add(NEWS, core.channels.resume(NEWS, None))
    await core.channels.publish(NEWS, draft("word", word))
    await wait_all_tasks_blocked()


async def begun(damage: Record) -> MemoryStore:
    """A store with a feed that has said a word, damaged."""
    store = MemoryStore()
    async with kept_core(store) as core:
        await say(core, "a")
    await store.commit(Write(records=[damage]))
    return store


def said(store: MemoryStore) -> list[object]:
    return [event.data for event in store.events(FEED)]


@pytest.mark.parametrize("damage", [NO_MESSAGE_PACK, NO_UTF8])
async def test_its_state_is_damaged(autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, damage: bytes) -> None:
    store = await begun(Record(KIND, "part words", damage))
    async with kept_core(store) as core:
        await say(core, "b")
    assert said(store) == ["a", "b"]
    assert "what was kept of feed/words cannot be read" in caplog.text


@pytest.mark.parametrize("damage", [NO_MESSAGE_PACK, NO_UTF8])
@pytest.mark.parametrize("name", [SOURCE, "heard"])
async def test_a_record_beside_it_is_damaged(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture, name: str, damage: bytes
) -> None:
    store = await begun(Record(KIND, name, damage))
    async with kept_core(store) as core:
        await say(core, "b")
    assert said(store) == ["a", "ab"]
    assert f"the record {name} of feed/words cannot be read" in caplog.text


async def test_a_source_whose_name_is_damaged_is_none(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    store = await begun(Record(KIND, SOURCE, NO_UTF8))
    await store.commit(Write(records=[Record(KIND, "source {", b"\x01")]))
    async with kept_core(store) as core:
        await say(core, "b")
    assert said(store) == ["a", "ab"]
    assert "the record source { of feed/words cannot be read" in caplog.text


@pytest.mark.parametrize("damage", [NO_MESSAGE_PACK, NO_UTF8])
async def test_of_one_that_is_away_it_is_not_known_when_it_was_used(autojump_clock: MockClock, damage: bytes) -> None:
    store = await begun(Record(KIND, "used", damage))
    later = now_ms() + MONTH_MS
    async with kept_core(store) as core:
        core.feeds.know("words", Words)
        await core.feeds.sweep(later)
        await wait_all_tasks_blocked()
        assert said(store) == ["a"], "it ages from now on"
        await core.feeds.sweep(later + MONTH_MS)
        await wait_all_tasks_blocked()
        assert said(store) == []
