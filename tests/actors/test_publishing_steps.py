"""When a task that publishes lets the others run: often enough for them, and no oftener, since that costs the most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.channels import Channels
from actors.event import ChannelKey
from actors.journal import Journal
from actors.kept_topics import Keeping
from actors.retention import Retention
from tests.support.drafts import fact
from tests.support.memory_store import MemoryStore
from tests.support.world import NurserySpawner

ONE, OTHER = (ChannelKey("task", name, "alice") for name in ("task-1", "task-2"))


class Rounds:
    """Counts how often everybody could run."""

    def __init__(self) -> None:
        self.count = 0

    async def run(self) -> None:
        while True:
            self.count += 1
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def scene(*, kept: bool) -> AsyncIterator[tuple[Channels, Rounds]]:
    async with trio.open_nursery() as nursery:
        keeping, rounds = None, Rounds()
        if kept:
            store = MemoryStore()
            keeping = Keeping(Journal(store), store, lambda key: True, Retention())
            await nursery.start(keeping.journal.run)
        nursery.start_soon(rounds.run)
        yield Channels(NurserySpawner(nursery), {}, None, keeping), rounds
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("kept", [False, True])
async def test_who_publishes_without_end_lets_others_run_at_each_second_event(kept: bool) -> None:
    async with scene(kept=kept) as (channels, rounds):
        before = rounds.count
        for number in range(40):
            # Neither by a topic of its own does it get more than its turn.
            await channels.emit(OTHER if number % 4 else ONE, fact(number))
        assert rounds.count - before >= 19


@pytest.mark.parametrize("kept", [False, True])
async def test_of_private_streams_each_goes_on_at_once(kept: bool) -> None:
    async with scene(kept=kept) as (channels, rounds):
        turns = [trio.Event() for _ in range(41)]
        paused: list[int] = []

        async def stream(key: ChannelKey, first: int) -> None:
            for turn in range(first, 40, 2):
                await turns[turn].wait()
                before = rounds.count
                await channels.emit(key, fact(turn))
                if rounds.count > before:
                    paused.append(turn)
                turns[turn + 1].set()

        async with trio.open_nursery() as streams:
            streams.start_soon(stream, ONE, 0)
            streams.start_soon(stream, OTHER, 1)
            turns[0].set()
        # Whether somebody else publishes in its topic, the first event cannot tell.
        assert set(paused) <= {0, 1}
