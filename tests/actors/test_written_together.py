"""Those in step as one broadcast writes to them: who has a slot, and for how long."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.outbox import Outbox, OutboxOptions
from actors.subscription import Subscription
from tests.actors.test_audience import Hall
from tests.support.broadcasts import MemoryBroadcast
from tests.support.world import MemorySink


@pytest.fixture(autouse=True)
def many_are_four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.audience._MANY", 4)


async def test_one_call_writes_to_all(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 4)
        assert not hall.broadcast.taken
        for _ in range(3):
            hall.finish(hall.publish())
        assert hall.calls == 3
        assert set(map(id, hall.broadcast.taken.values())) == set(map(id, hall.sinks))
        hall.check(*range(4))


async def test_a_few_are_written_to_one_by_one(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 3)
        hall.finish(hall.publish())
        assert hall.calls == 0
        assert not hall.broadcast.taken
        hall.check(*range(3))


async def test_who_leaves_or_lags_gives_its_slot_back(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 6)
        hall.finish(hall.publish())
        hall.audience.remove(hall.subscriptions[0])
        hall.sinks[1].close_up()
        hall.finish(hall.publish())
        hall.outboxes[2].abort()
        assert {id(sink) for sink in hall.broadcast.taken.values()} == {id(sink) for sink in hall.sinks[3:]}
        hall.sinks[1].let_through(None)
        await wait_all_tasks_blocked()
        hall.finish(hall.publish())
        hall.finish(hall.publish())
        assert {id(sink) for sink in hall.broadcast.taken.values()} == {id(hall.sinks[place]) for place in (1, 3, 4, 5)}
        hall.check(1, 3, 4, 5)
        hall.audience.dissolve()
        assert not hall.broadcast.taken


async def test_where_slots_are_too_few_all_get_everything(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 6)
        hall.broadcast = MemoryBroadcast(hall.sinks, slots=4)
        for _ in range(2):
            hall.finish(hall.publish())
        assert hall.calls == 0
        for subscription in hall.subscriptions[:2]:
            hall.audience.remove(subscription)
        hall.finish(hall.publish())
        assert hall.calls == 1
        hall.check(2, 3, 4, 5)


async def test_what_is_too_large_goes_to_each_by_itself(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 4)
        hall.finish(hall.publish())
        hall.broadcast.largest = 0
        hall.finish(hall.publish())
        assert hall.calls == 1
        hall.check(*range(4))


async def test_of_two_subscriptions_of_one_outbox_one_has_a_slot(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 4)
        second = Subscription(hall.log, hall.outboxes[0], hall.encoder, hall.log.tail, None)
        hall.audience.add(second)
        for _ in range(3):
            hall.finish(hall.publish())
        # Before the second was in step.
        assert hall.calls == 1
        hall.audience.remove(hall.subscriptions[0])
        hall.finish(hall.publish())
        assert hall.calls == 2
        hall.check(1, 2, 3)


async def test_whose_sink_knows_no_broadcast_keeps_the_others_from_none(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 5)
        hall.finish(hall.publish())
        stranger = MemorySink()
        outbox = Outbox(stranger, nursery.start_soon, OutboxOptions())
        hall.audience.add(Subscription(hall.log, outbox, hall.encoder, hall.log.tail, None))
        for _ in range(3):
            hall.finish(hall.publish())
        assert len(stranger.lines) == 3
        hall.check(*range(5))


async def test_the_rest_for_one_is_kept_though_another_makes_it_crash(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 5)

        def fail() -> None:
            raise RuntimeError("the layer below is broken")

        for client in (1, 3):
            hall.sinks[client].close_up()
            hall.sinks[client].let_through(4)
        hall.sinks[2].aborted = True
        hall.sinks[2].abort = fail  # type: ignore[method-assign]  # this one alone fails
        with pytest.raises(RuntimeError):
            hall.finish(hall.publish())
        assert hall.offsets == [2] * 5
        for client in (1, 3):
            hall.sinks[client].let_through(None)
        await wait_all_tasks_blocked()
        hall.check(0, 1, 3, 4)
