"""Subscriptions: taken up where they were, each event once, gaps told, a slow consumer waited for."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from callboard_client import Event, Gap, Position, RequestRefused, Subscription
from callboard_client.subscription import RESERVE
from tests.client.scripted_gateway import Peer, client_of


async def offsets(events: Subscription, count: int) -> list[int]:
    taken = [await anext(events) for _ in range(count)]
    return [pushed.position.offset for pushed in taken if isinstance(pushed, Event)]


async def test_after_a_drop_it_goes_on_and_nothing_comes_twice(autojump_clock: trio.abc.Clock) -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(4)
        for offset in (5, 6, 7):
            await peer.event(offset)
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(7)
        for offset in (6, 7, 8, 9):
            await peer.event(offset)
        await peer.stay()

    async with client_of(first, second) as (client, network), client.subscribe("task", "t") as events:
        assert await offsets(events, 5) == [5, 6, 7, 8, 9]
        assert events.positions == {"t": Position("e", 9)}
        asked = [peer.asked[1][1] for peer in network.peers]
        assert [each["since"] for each in asked] == [{}, {"t": "e:7"}]


async def test_a_subscription_without_events_is_taken_up_where_it_began(autojump_clock: trio.abc.Clock) -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(41)
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.admit(41))["since"] == {"t": "e:41"}
        await peer.event(42)
        await peer.stay()

    async with client_of(first, second) as (client, _), client.subscribe("task", "t") as events:
        assert await offsets(events, 1) == [42]


async def test_a_gap_is_handed_out_also_where_the_connection_breaks_before_it(autojump_clock: trio.abc.Clock) -> None:
    async def breaks(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(9, recovered=False)
        await peer.drop()

    async def tells(peer: Peer) -> None:
        await peer.welcome()
        assert (await peer.admit(9, recovered=False))["since"] == {"t": "e:3"}
        await peer.gap(4, 9, "retention", at=9)
        await peer.event(10)
        await peer.stay()

    async with client_of(breaks, tells) as (client, _), client.subscribe("task", "t", since="e:3") as events:
        assert await anext(events) == Gap(
            channel="task", topic="t", first=4, last=9, reason="retention", position=Position("e", 9)
        )
        assert await offsets(events, 1) == [10]


async def test_another_life_of_the_topic(autojump_clock: trio.abc.Clock) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(0, recovered=False, epoch="new")
        await peer.gap(1, 0, "epoch", at=0, epoch="new")
        await peer.event(1, epoch="new")
        await peer.stay()

    async with client_of(serve) as (client, _), client.subscribe("task", "t", since=Position("old", 70)) as events:
        gap, event = await anext(events), await anext(events)
        assert isinstance(gap, Gap)
        assert gap.reason == "epoch"
        assert event.position == Position("new", 1)


async def test_two_subscriptions_to_one_topic_each_get_what_they_asked_for(autojump_clock: trio.abc.Clock) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(0)
        await peer.event(1)
        await peer.event(2)
        assert (await peer.admit(0))["since"] == {"t": "0"}
        for offset in (1, 2, 3):
            await peer.event(offset)
        await peer.stay()

    async with client_of(serve) as (client, _), client.subscribe("task", "t") as one:
        assert await offsets(one, 2) == [1, 2]
        async with client.subscribe("task", "t", since="0") as other:
            assert await offsets(other, 3) == [1, 2, 3]
            assert await offsets(one, 1) == [3]


async def test_a_full_queue_holds_the_socket_up_and_loses_nothing(autojump_clock: trio.abc.Clock) -> None:
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.welcome()
        await peer.admit()
        for offset in range(1, 1001):
            await peer.event(offset, "x" * 100)
            sent = offset
        await peer.stay()

    async with client_of(flood) as (client, _), client.subscribe("task", "t", capacity=10) as events:
        await trio.testing.wait_all_tasks_blocked()
        # Memory streams hold whatever they are given: what is not read is seen in the position alone.
        assert events.positions["t"].offset == 10
        assert await offsets(events, 1000) == list(range(1, 1001))
        assert sent == 1000


async def test_a_consumer_may_ask_something_while_its_queue_is_full(autojump_clock: trio.abc.Clock) -> None:
    async def flood(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit()
        for offset in range(1, 51):
            await peer.event(offset)
        await peer.reply(await peer.take("ping"), "pong")
        await peer.stay()

    assert RESERVE > 50
    async with client_of(flood) as (client, _), client.subscribe("task", "t", capacity=1) as events:
        await trio.testing.wait_all_tasks_blocked()
        assert events.positions["t"].offset == 1
        await client.ping()
        assert await offsets(events, 50) == list(range(1, 51))


async def test_leaving_unsubscribes_from_what_nobody_else_holds(autojump_clock: trio.abc.Clock) -> None:
    left = trio.Event()

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit()
        await peer.admit()
        request = await peer.take("unsubscribe")
        await peer.reply(request, "unsubscribed", {"channel": "task", "topics": ["a"], "success": True})
        left.set()
        await peer.event(1, topic="b")
        await peer.stay()

    async with client_of(serve) as (client, network), client.subscribe("task", "b") as kept:
        async with client.subscribe("task", "a", "b"):
            pass
        await left.wait()
        assert network.peers[0].asked[-1][1] == {"channel": "task", "topics": ["a"]}
        assert await offsets(kept, 1) == [1]


async def test_leaving_a_whole_channel_keeps_its_named_topics(autojump_clock: trio.abc.Clock) -> None:
    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit(3)
        await peer.admit()
        request = await peer.take("unsubscribe")
        assert request["payload"]["topics"] == []
        await peer.reply(request, "unsubscribed", {"channel": "task", "topics": [], "success": True})
        assert (await peer.admit(3))["since"] == {"a": "e:3"}
        await peer.event(4, topic="a")
        await peer.stay()

    async with client_of(serve) as (client, _), client.subscribe("task", "a") as kept:
        async with client.subscribe("task"):
            pass
        assert await offsets(kept, 1) == [4]


async def test_a_topic_that_is_refused_after_a_drop_ends_its_subscription(autojump_clock: trio.abc.Clock) -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit()
        await peer.event(1)
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        await peer.reply(await peer.take("subscribe"), "error", {"code": "NOT_FOUND", "message": "no task t"})
        await peer.reply(await peer.take("ping"), "pong")
        await peer.stay()

    async with client_of(first, second) as (client, _), client.subscribe("task", "t") as events:
        assert await offsets(events, 1) == [1]
        with pytest.raises(RequestRefused, match="no task t") as refused:
            await anext(events)
        assert refused.value.code == "NOT_FOUND"
        await client.ping()


async def test_many_subscriptions_at_once_are_patient_with_the_rate(autojump_clock: trio.abc.Clock) -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.admit()
        await peer.drop()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        busy = {"code": "RATE_LIMITED", "message": "slow down", "retry_after_ms": 7000}
        await peer.reply(await peer.take("subscribe"), "error", busy)
        await peer.admit()
        await peer.event(1)
        await peer.stay()

    async with client_of(first, second) as (client, _), client.subscribe("task", "t") as events:
        assert await offsets(events, 1) == [1]
        assert trio.current_time() == 7.5


async def test_a_refused_subscription_is_none(autojump_clock: trio.abc.Clock) -> None:
    left = trio.Event()

    async def serve(peer: Peer) -> None:
        await peer.welcome()
        await peer.reply(await peer.take("subscribe"), "error", {"code": "FORBIDDEN", "message": "not for you"})
        await peer.take("unsubscribe")
        left.set()
        await peer.stay()

    async with client_of(serve) as (client, _):
        with pytest.raises(RequestRefused, match="FORBIDDEN: not for you"):
            async with client.subscribe("system", "stats"):
                raise AssertionError
        await left.wait()
