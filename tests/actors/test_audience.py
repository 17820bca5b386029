from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.audience import Audience
from actors.log import Log
from actors.outbox import Outbox, OutboxOptions
from actors.subscription import Subscription
from tests.support.broadcasts import MemoryBroadcast
from tests.support.drafts import check_tiles, fact, log_of, read_back
from tests.support.world import Lines, MemorySink


class Hall:
    """An audience of so many, all in step after a first event; `outboxes` serve several subscriptions each.

    There is a broadcast, but by itself it is for more than they are.
    """

    def __init__(self, nursery: trio.Nursery, count: int, each: int = 1) -> None:
        self.log: Log = log_of()
        self.encoder = Lines()
        self.sinks = [MemorySink() for _ in range(count)]
        self.broadcast = MemoryBroadcast(self.sinks)
        options = OutboxOptions(stall_seconds=1e6)
        self.outboxes = [Outbox(sink, nursery.start_soon, options) for sink in self.sinks]
        self.audience = Audience()
        self.subscriptions = [
            Subscription(self.log, outbox, self.encoder, 0, None) for outbox in self.outboxes for _ in range(each)
        ]
        for subscription in self.subscriptions:
            self.audience.add(subscription)
        self.finish(self.publish())

    def publish(self) -> Iterator[None]:
        event = self.log.append(fact(self.log.tail + 1))
        return self.audience.deliver(event.offset - 1, event.offset, self.encoder.encode(event))

    def finish(self, delivery: Iterator[None]) -> None:
        for _ in delivery:
            pass

    def publish_at_once(self) -> None:
        event = self.log.append(fact(self.log.tail + 1))
        self.audience.deliver_at_once(event.offset - 1, event.offset, self.encoder.encode(event))

    @property
    def calls(self) -> int:
        """How often they were written to together."""
        return self.broadcast.calls

    @property
    def offsets(self) -> list[int]:
        return [subscription.offset for subscription in self.subscriptions]

    def check(self, *clients: int) -> None:
        for client in clients:
            check_tiles([read_back(line) for line in self.sinks[client].lines if line != "reply"], 0, self.log.tail)


@pytest.fixture(params=["one by one", "together"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How those who are in step are written to."""
    if request.param == "together":
        monkeypatch.setattr("actors.audience._MANY", 1)
    return str(request.param)


@pytest.fixture
def slices_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.audience._SLICE", 2)


@pytest.mark.usefixtures("slices_of_two", "way")
@pytest.mark.parametrize("client", range(6))
async def test_who_becomes_busy_at_a_pause_keeps_its_cursor(autojump_clock: trio.abc.Clock, client: int) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 6)
        delivery = hall.publish()
        next(delivery)
        next(delivery)
        assert hall.offsets == [2, 2, 2, 2, 1, 1]
        hall.sinks[client].close_up()
        hall.outboxes[client].put_nowait(b"reply\n")
        assert hall.offsets == [2, 2, 2, 2, 1, 1]
        hall.finish(delivery)
        hall.finish(hall.publish())
        assert len(nursery.child_tasks) == 1
        hall.sinks[client].let_through(None)
        await wait_all_tasks_blocked()
        hall.finish(hall.publish())
        assert hall.offsets == [4] * 6
        assert not nursery.child_tasks
        hall.check(*range(6))


@pytest.mark.usefixtures("slices_of_two", "way")
@pytest.mark.parametrize("leaves", range(6))
async def test_who_leaves_at_a_pause_gets_nothing_more(autojump_clock: trio.abc.Clock, leaves: int) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 6)
        hall.outboxes[3].abort()
        delivery = hall.publish()
        for _ in range(3):
            next(delivery)
        written = len(hall.sinks[leaves].written)
        hall.audience.remove(hall.subscriptions[leaves])
        hall.audience.remove(hall.subscriptions[leaves])
        hall.finish(delivery)
        assert len(hall.sinks[leaves].written) == written
        hall.finish(hall.publish())
        assert len(hall.sinks[leaves].written) == written
        assert len(hall.audience) == 5
        hall.check(*{0, 1, 2, 4, 5} - {leaves})


@pytest.mark.usefixtures("slices_of_two", "way")
@pytest.mark.parametrize("waked", [True, False])
async def test_a_delivery_that_is_given_up_leaves_nobody_behind(autojump_clock: trio.abc.Clock, waked: bool) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 5)
        next(hall.publish())
        assert hall.offsets == [2, 2, 1, 1, 1]
        assert hall.audience.is_behind(2)
        if waked:
            hall.audience.wake_behind(2)
        else:
            hall.finish(hall.publish())
        await wait_all_tasks_blocked()
        assert not hall.audience.is_behind(hall.log.tail)
        hall.check(*range(5))


@pytest.mark.usefixtures("slices_of_two", "way")
async def test_who_is_not_yet_in_step_may_leave_at_a_pause_too(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 2)
        late = [Subscription(hall.log, outbox, hall.encoder, 1, None) for outbox in hall.outboxes * 2]
        for subscription in late:
            hall.audience.add(subscription)
        delivery = hall.publish()
        next(delivery)
        next(delivery)
        assert [subscription.offset for subscription in late] == [2, 2, 1, 1]
        hall.audience.remove(late[3])
        hall.finish(delivery)
        assert [len(sink.lines) for sink in hall.sinks] == [4, 3]


async def test_what_breaks_off_with_an_error_counts_who_was_written_to(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 5)

        def fail() -> None:
            raise RuntimeError("the layer below is broken")

        hall.sinks[2].aborted = True
        hall.sinks[2].abort = fail  # type: ignore[method-assign]  # this one alone fails
        with pytest.raises(RuntimeError):
            hall.finish(hall.publish())
        assert hall.offsets == [2, 2, 2, 1, 1]
        hall.audience.wake_behind(2)
        await wait_all_tasks_blocked()
        hall.check(0, 1, 3, 4)


@pytest.mark.usefixtures("way")
async def test_two_subscriptions_of_one_outbox_never_cut_into_each_other(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 3, each=2)
        hall.sinks[1].close_up()
        hall.sinks[1].let_through(4)
        hall.finish(hall.publish())
        # From here on the socket would take more, but the rest of the first one's event goes before the second's.
        hall.sinks[1].let_through(None)
        hall.finish(hall.publish())
        await wait_all_tasks_blocked()
        hall.finish(hall.publish())
        assert sorted(hall.sinks[1].lines) == sorted(hall.sinks[0].lines)
        assert hall.offsets == [4] * 6


@pytest.mark.usefixtures("way")
async def test_of_those_behind_one_wakes_its_outbox_for_another_in_step(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 2)
        for outbox in hall.outboxes:
            hall.audience.add(Subscription(hall.log, outbox, hall.encoder, 0, None))
        hall.audience.wake_behind(1)
        await wait_all_tasks_blocked()
        assert [sink.lines for sink in hall.sinks] == [["1-1 fact 1"] * 2] * 2


@pytest.mark.usefixtures("slices_of_two", "way")
async def test_a_topic_that_is_no_more_is_not_held_by_its_readers(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, 3)
        outboxes, topic = hall.outboxes, weakref.ref(hall.encoder)
        delivery = hall.publish()
        next(delivery)
        hall.audience.dissolve()
        hall.finish(delivery)
        hall.check(*range(3))
        del hall, delivery
        gc.collect()
        assert topic() is None
        assert not any(outbox.busy for outbox in outboxes)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("taken", [0, 3])
async def test_few_are_handed_events_at_once_and_catch_up_where_they_were_cut_short(
    autojump_clock: trio.abc.Clock, count: int, taken: int
) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, count)
        hall.publish_at_once()
        assert hall.offsets == [2] * count
        hall.check(*range(count))
        hall.sinks[0].close_up()
        hall.sinks[0].let_through(taken)
        for _ in range(3):
            hall.publish_at_once()
        assert hall.offsets == [3, *[5] * (count - 1)]
        hall.sinks[0].let_through(None)
        await wait_all_tasks_blocked()
        hall.publish_at_once()
        hall.publish_at_once()
        assert hall.offsets == [7] * count
        hall.check(*range(count))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("count", [1, 2])
async def test_one_of_few_whose_peer_is_gone_is_given_up_alone(autojump_clock: trio.abc.Clock, count: int) -> None:
    async with trio.open_nursery() as nursery:
        hall = Hall(nursery, count)
        hall.sinks[0].abort()
        hall.publish_at_once()
        hall.publish_at_once()
        assert hall.outboxes[0].busy
        assert not nursery.child_tasks
        hall.check(*range(1, count))
