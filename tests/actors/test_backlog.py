"""While nothing can be kept, clients cannot make the engine remember without end what it would keep for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
import trio

from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, draft
from actors.journal import JournalOptions
from actors.position import Position
from actors.resumption import Resumption
from actors.retention import Retention
from tests.actors.test_kept_feed import Echo
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore
from tests.support.restart import life
from tests.support.world import ALICE, Limits

BACKLOG = 20
FEW = JournalOptions(backlog=BACKLOG, gather_seconds=0)
USED = ChannelKey("system", "news", "alice")
SHUT = 5.0


Ask: TypeAlias = Callable[[int], object]


def looks_up(core: KeptCore) -> Ask:
    return lambda number: core.channels.resume(ChannelKey("system", f"news-{number}", "alice"), None)


def opens_feeds(core: KeptCore) -> Ask:
    return lambda number: core.feeds.open(ChannelKey("feed", "all", f"user-{number}"), Retention(), Echo)


@pytest.mark.parametrize("client", [looks_up, opens_feeds])
async def test_what_a_client_can_ask_for_again_and_again(
    autojump_clock: trio.abc.Clock, client: Callable[[KeptCore], Ask]
) -> None:
    store = MemoryStore()
    async with kept_core(store, journal=FEW) as core:
        await core.channels.publish(USED, draft("fact", 1))
        ask = client(core)
        store.fail("disk full")
        taken = 0

        async def ask_on() -> None:
            nonlocal taken
            for taken in range(10 * BACKLOG):
                ask(taken)
                await trio.sleep(SHUT)

        with pytest.raises(CallboardError, match="disk full") as refusal:
            await ask_on()
        assert refusal.value.code is ErrorCode.UNAVAILABLE
        assert BACKLOG // 3 < taken <= BACKLOG
        assert core.journal.statistics().waiting <= BACKLOG + 1
        # What is there can be read all the same.
        assert core.channels.resume(USED, None) == Resumption(1, None)
        store.recover()
        await trio.sleep(SHUT)
        ask(taken)


async def test_a_position_that_was_told_meanwhile_stands_after_a_restart(autojump_clock: trio.abc.Clock) -> None:
    store = MemoryStore()
    told: list[Position] = []
    rooms = [f"room-{number}" for number in range(10 * BACKLOG)]
    async with life(store, limits=Limits(journal=FEW)) as world:

        async def read_on() -> None:
            for room in rooms:
                told.append((await world.router.history(ALICE, "room", room, "live", 1)).position)
                await trio.sleep(SHUT)

        store.fail("disk full")
        with pytest.raises(CallboardError, match="disk full"):
            await read_on()
        store.recover()
        await trio.sleep(SHUT)
    async with life(store) as world:
        resumed = [world.channels.resume(ChannelKey("room", room), at) for room, at in zip(rooms, told, strict=False)]
        assert resumed == [Resumption(0, None)] * BACKLOG
