"""Writers that run beside their connection: what ends one ends the other."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.outbox import Outbox, OutboxOptions
from actors.sink import BrokenSink
from actors.spawner import CannotSpawn
from actors.subscription import Subscription
from tests.actors.test_outbox import LINES, outbox_on, publish
from tests.support.drafts import log_of
from tests.support.readers import answer
from tests.support.world import MemorySink


@pytest.mark.parametrize("end", ["cancelled", "crashed"])
async def test_a_writer_that_ends_early_gives_its_connection_up(autojump_clock: trio.abc.Clock, end: str) -> None:
    class Broken(MemorySink):
        async def write_all(self, data: bytes | memoryview) -> None:
            raise RuntimeError("the layer below is broken")

    sink = MemorySink(0) if end == "cancelled" else Broken(0)
    raised: list[BaseException] = []
    with trio.CancelScope() as scope:
        try:
            async with trio.open_nursery() as beside:
                outbox = outbox_on(beside, sink, stall_seconds=1000.0)
                outbox.put_nowait(b"first\n")
                outbox.put_nowait(b"second\n")
                await wait_all_tasks_blocked()
                scope.cancel()
        except* RuntimeError as errors:
            raised += errors.exceptions
    assert len(raised) == (end == "crashed")
    assert sink.aborted
    assert outbox.statistics().replies_bytes == 0
    with pytest.raises(BrokenSink):
        await answer(outbox, b"third\n")


async def test_without_room_for_a_writer_the_connection_is_given_up(autojump_clock: trio.abc.Clock) -> None:
    def refuse(run: object) -> None:
        raise CannotSpawn("full")

    sink = MemorySink(0)
    outbox = Outbox(sink, refuse, OutboxOptions())
    log = log_of()
    publish(log, Subscription(log, outbox, LINES, 0, None), "x")
    assert sink.aborted
    with pytest.raises(BrokenSink):
        await answer(outbox, b"reply\n")
