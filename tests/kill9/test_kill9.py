"""An engine that is killed with SIGKILL at any moment has lost nothing, and no client has."""

from __future__ import annotations

from pathlib import Path

from tests.kill9.campaign import Campaign


async def test_nothing_is_lost(tmp_path: Path) -> None:
    result = await Campaign(tmp_path, seed=1, rounds=6).run()
    assert not result.problems, result
    assert result.acknowledged > 100
