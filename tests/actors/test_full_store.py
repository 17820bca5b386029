"""A store that is nearly full: what is small is kept, what is large refused, and that it is full is told once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.errors import CallboardError
from actors.journal import Journal
from actors.store import Record
from tests.support.memory_store import MemoryStore

LARGE = Record("large", "1", bytes(100_000))
SMALL = Record("small", "1", bytes(10))
SHUT = 2.0
"""Seconds after which whoever was refused may try again."""


class Scene:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.told: list[str | None] = []
        self.journal = Journal(self.store, changed=self.told.append)

    async def keep(self, record: Record) -> bool:
        """Whether it was."""
        try:
            await self.journal.keep(record)
        except CallboardError:
            return False
        return True


@asynccontextmanager
async def running() -> AsyncIterator[Scene]:
    scene = Scene()
    async with trio.open_nursery() as nursery:
        await nursery.start(scene.journal.run)
        yield scene
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seconds", [0.3, SHUT, 60.0])
async def test_that_it_is_full_is_told_once_whoever_tries_and_is_refused(
    autojump_clock: trio.abc.Clock, seconds: float
) -> None:
    async with running() as scene:
        scene.store.spare_bytes = 1_000
        kept = []
        for _ in range(20):
            assert not await scene.keep(LARGE)
            await trio.sleep(seconds)
            kept.append(await scene.keep(SMALL))
            assert scene.journal.failure == "full"
        assert all(kept)
        assert scene.told == ["full"]


async def test_it_works_again_once_there_is_room_for_what_was_refused(autojump_clock: trio.abc.Clock) -> None:
    async with running() as scene:
        scene.store.spare_bytes = 1_000
        await scene.keep(LARGE)
        for room, told in ((99_999, ["full"]), (100_000, ["full", None])):
            scene.store.spare_bytes = room
            # Nobody asks for anything meanwhile.
            await trio.sleep(60)
            assert scene.told == told
        assert scene.journal.failure is None
        assert await scene.store.records("trial") == []
        commits = scene.store.commits
        await trio.sleep(3600)
        assert scene.store.commits == commits


async def test_a_disk_with_room_for_next_to_nothing_is_full(autojump_clock: trio.abc.Clock) -> None:
    async with running() as scene:
        scene.store.spare_bytes = 100
        assert not await scene.keep(Record("middling", "1", bytes(200)))
        scene.store.spare_bytes = 300
        await trio.sleep(60)
        assert scene.told == ["full"]
        scene.store.spare_bytes = None
        await trio.sleep(60)
        assert scene.told == ["full", None]


async def test_what_a_trial_has_left_goes_with_the_next_one(autojump_clock: trio.abc.Clock) -> None:
    async with running() as scene:
        scene.store.fail("read-only")
        await scene.keep(SMALL)
        scene.store.recover()
        scene.store.slow_down(1)
        # A commit of nothing, and what is kept on trial; its removal is under way.
        await trio.sleep(2.5)
        assert await scene.store.records("trial")
        scene.store.fail("read-only")
        await trio.sleep(60)
        assert scene.told == ["read-only"]
        scene.store.recover()
        await trio.sleep(60)
        assert scene.told == ["read-only", None]
        assert await scene.store.records("trial") == []
