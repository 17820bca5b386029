"""The collector is tuned for long-lived objects, and still collects."""

from __future__ import annotations

import gc
import os
import signal
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from engine import garbage
from engine.config import Config, Server, Store
from engine.extensions import open_extensions
from engine.server import Engine


@pytest.fixture
def restored() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


class Ring:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("restored")
def test_what_the_start_made_is_left_alone_and_later_cycles_are_collected() -> None:
    frozen = gc.get_freeze_count()
    garbage.settle()
    assert gc.get_freeze_count() > frozen
    assert gc.isenabled()
    assert gc.get_threshold() > (10_000, 10, 10)
    later = weakref.ref(Ring())
    kept = [[] for _ in range(gc.get_threshold()[0] + 1)]  # type: list[list[int]]
    assert later() is None
    assert len(kept) > 0


async def test_the_engine_settles_once_when_it_has_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settled = trio.Event()
    times = 0

    def settle() -> None:
        nonlocal times
        times += 1
        settled.set()

    monkeypatch.setattr(garbage, "settle", settle)
    config = Config(server=Server(port=0), store=Store(path=tmp_path / "callboard.db"))
    with trio.fail_after(20):
        async with open_extensions(config) as extensions, trio.open_nursery() as nursery:
            nursery.start_soon(Engine(config, extensions).serve)
            await settled.wait()
            os.kill(os.getpid(), signal.SIGTERM)
    assert times == 1
