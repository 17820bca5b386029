"""An engine that is killed at any moment has lost nothing, and no client has; what is lost otherwise is told."""

from __future__ import annotations

from pathlib import Path

from tests.kill9.campaign import Campaign
from tests.kill9.mishaps import RestoredCopy, everything, shortened_log


async def test_nothing_is_lost(tmp_path: Path) -> None:
    result = await Campaign(tmp_path, seed=1, rounds=3).run()
    assert not result.problems, result
    assert result.acknowledged > 20
    assert result.promises > 10


async def test_a_copy_that_is_put_back_is_told_as_a_gap(tmp_path: Path) -> None:
    result = await Campaign(tmp_path, seed=2, rounds=2, mishap=RestoredCopy()).run()
    assert not result.problems, result
    assert result.losses
    assert result.gaps


async def test_a_log_that_is_cut_short_is_told_as_a_gap(tmp_path: Path) -> None:
    result = await Campaign(tmp_path, seed=3, rounds=1, mishap=shortened_log).run()
    assert not result.problems, result
    assert result.losses
    assert result.gaps


async def test_what_was_in_memory_alone_is_told_as_a_gap(tmp_path: Path) -> None:
    config = '[store]\npath = ":memory:"\n'
    result = await Campaign(tmp_path, seed=4, rounds=1, mishap=everything, config=config).run()
    assert not result.problems, result
    assert result.gaps
