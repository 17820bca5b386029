"""A nonce that was shown is known after a restart, until it expires."""

from __future__ import annotations

import pytest
import trio

from actors.errors import CallboardError, ErrorCode
from actors.used_nonces import NONCE, UsedNonces
from tests.support.kept_core import kept_core
from tests.support.memory_store import MemoryStore

NOW = 1_700_000_000.0


async def test_a_nonce_serves_once_over_a_restart(autojump_clock: trio.abc.Clock) -> None:
    disk = MemoryStore()
    async with kept_core(disk) as core:
        await UsedNonces(10, core.channels.keeper).use("ann", "1", NOW + 60, NOW)
    async with kept_core(disk) as core:
        used = UsedNonces(10, core.channels.keeper)
        used.load(await disk.records(NONCE))
        with pytest.raises(CallboardError, match="used already"):
            await used.use("ann", "1", NOW + 60, NOW)
        await used.use("bob", "1", NOW + 60, NOW)
        await used.use("ann", "2", NOW + 700, NOW + 400)
    assert [name for name, _ in await disk.records(NONCE)] == ['["ann","2"]']


async def test_one_that_cannot_be_kept_serves_nobody_and_is_not_used(autojump_clock: trio.abc.Clock) -> None:
    disk = MemoryStore()
    async with kept_core(disk) as core:
        used = UsedNonces(10, core.channels.keeper)
        disk.fail("disk full")
        # The first finds out, the second is told what is known.
        for _ in range(2):
            with pytest.raises(CallboardError, match="disk full") as refused:
                await used.use("ann", "1", NOW + 60, NOW)
            assert refused.value.code is ErrorCode.UNAVAILABLE
        disk.recover()
        await trio.sleep(5)
        await used.use("ann", "1", NOW + 60, NOW)
        with pytest.raises(CallboardError, match="used already"):
            await used.use("ann", "1", NOW + 60, NOW)


async def test_whoever_is_let_in_has_it_kept(autojump_clock: trio.abc.Clock) -> None:
    disk = MemoryStore(seconds=1)
    async with kept_core(disk) as core:
        used = UsedNonces(10, core.channels.keeper)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(used.use, "ann", "1", NOW + 60, NOW)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(CallboardError, match="used already"):
                await used.use("ann", "1", NOW + 60, NOW)
            assert await disk.records(NONCE) == []
        assert [name for name, _ in await disk.records(NONCE)] == ['["ann","1"]']
