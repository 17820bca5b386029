"""A nonce that was shown is known after a restart, until it expires."""

from __future__ import annotations

import pytest
import trio

from actors.errors import CallboardError
from actors.used_nonces import NONCE, UsedNonces
from tests.support.kept_core import kept_core
from tests.support.memory_store import MemoryStore

NOW = 1_700_000_000.0


async def test_a_nonce_serves_once_over_a_restart(autojump_clock: trio.abc.Clock) -> None:
    disk = MemoryStore()
    async with kept_core(disk) as core:
        UsedNonces(10, core.channels.keeper).use("ann", "1", NOW + 60, NOW)
        await trio.sleep(1)
    async with kept_core(disk) as core:
        used = UsedNonces(10, core.channels.keeper)
        used.load(await disk.records(NONCE))
        with pytest.raises(CallboardError, match="used already"):
            used.use("ann", "1", NOW + 60, NOW)
        used.use("bob", "1", NOW + 60, NOW)
        used.use("ann", "2", NOW + 700, NOW + 400)
        await trio.sleep(1)
    assert [name for name, _ in await disk.records(NONCE)] == ['["ann","2"]']
