"""Work that is given up before it has begun: Python warns of none of it, and warnings are errors here."""

from __future__ import annotations

import gc
from collections.abc import Awaitable

from transport.unbegun import drop


async def work(done: list[str], part: Awaitable[None] | None = None) -> None:
    if part is not None:
        await part
    done.append("done")


def test_nothing_of_it_is_done_nor_missed() -> None:
    done: list[str] = []
    drop(work(done, work(done)))
    drop(None)
    gc.collect()
    assert done == []
