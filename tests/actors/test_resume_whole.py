"""A whole channel, taken up again after any cut: what a client has of each topic is the topic's log, or holds a gap."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from unittest.mock import patch

import trio
from hypothesis import event, given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import pace as pace_module
from actors.channels_options import ChannelsOptions
from actors.event import ChannelKey
from actors.outbox import OutboxOptions
from actors.pace import Pace
from actors.retention import Retention
from callboard_client import places as places_module
from tests.support.whole_channel import CHANNEL, WholeChannel
from tests.support.world import Limits, World

IDLE_SECONDS = 10.0
ENDLESS = Retention(seconds=1e12)
topics = st.sampled_from([f"t{number}" for number in range(6)])
rooms = st.sampled_from([0, 100, 150, 250, 400])
steps = st.one_of(
    *[st.tuples(st.just("publish"), topics)] * 5,
    *[st.tuples(st.just("connect"), rooms | st.none())] * 3,
    *[st.tuples(st.just("let through"), rooms)] * 3,
    *[st.tuples(st.just("ask for a mark"), st.none())] * 3,
    *[st.tuples(st.just("tell the mark"), st.none())] * 3,
    st.tuples(st.just("put away"), st.none()),
    *[st.tuples(st.just("cut"), st.none())] * 2,
)
Step = tuple[str, str | int | None]


async def carry_out(world: World, client: WholeChannel, step: Step) -> None:
    match step:
        case ["publish", str(topic)]:
            await client.publish(topic)
        case ["forget", str(topic)]:
            world.channels.forget(ChannelKey(CHANNEL, topic))
        case ["put away", _]:
            await trio.sleep(IDLE_SECONDS + 1)
            await world.channels.sweep.run()
        case ["cut", _] if client.is_connected:
            client.cut()
        case ["connect", int() | None as room] if not client.is_connected:
            client.connect(room)
        case ["let through", int() | None as room] if client.is_connected:
            client.let_through(room)
        case ["ask for a mark", _] if client.is_connected and client.beginnings is not None:
            client.places.begin_renewal()
        case ["tell the mark", _] if client.is_connected and client.places.is_renewing and not client.is_busy:
            await client.renew()
    await wait_all_tasks_blocked()
    if client.is_connected:
        client.receive()


async def play(limits: Limits, plan: list[Step]) -> WholeChannel:
    """What the client has when all is done, and it has been connected for long enough."""
    async with trio.open_nursery() as nursery:
        world = World(nursery, {}, limits)
        client = WholeChannel(world)
        for step in [*plan, ("cut", None), ("connect", None), ("let through", None)]:
            await carry_out(world, client, step)
        nursery.cancel_scope.cancel()
    event(f"gaps {len(client.gaps)}")
    return client


def outcome(limits: Limits, plan: list[Step], *, pauses: bool = False, remembered: int = 500) -> WholeChannel:
    with ExitStack() as stack:
        stack.enter_context(patch.object(places_module, "REMEMBERED", remembered))
        if pauses:
            hours = map(float, count(0, 3600))
            stack.enter_context(patch.object(pace_module, "Pace", lambda: Pace(hours.__next__)))
        return trio.run(play, limits, plan, clock=MockClock(autojump_threshold=0))


def limits_of(retention: Retention, *, forgotten: int = 100) -> Limits:
    channels = ChannelsOptions(idle_seconds=IDLE_SECONDS, forgotten=forgotten)
    # Small batches, so that a cut falls between those of one topic too.
    return Limits(channels=channels, retention={CHANNEL: retention}, outbox=OutboxOptions(batch_bytes=1))


@given(plan=st.lists(steps, min_size=10, max_size=60), pauses=st.booleans())
def test_nothing_is_lost_while_all_is_kept(plan: list[Step], pauses: bool) -> None:
    client = outcome(limits_of(ENDLESS), plan, pauses=pauses)
    assert client.missed() == []
    assert client.gaps == []


@given(
    plan=st.lists(steps | st.tuples(st.just("forget"), topics), min_size=10, max_size=60),
    kept=st.integers(1, 3),
    forgotten=st.integers(0, 2) | st.just(100),
    pauses=st.booleans(),
)
def test_what_is_lost_is_told(plan: list[Step], kept: int, forgotten: int, pauses: bool) -> None:
    limits = limits_of(Retention(events=kept, seconds=1e12), forgotten=forgotten)
    assert outcome(limits, plan, pauses=pauses).missed() == []


@given(plan=st.lists(steps, min_size=10, max_size=60), remembered=st.integers(1, 4))
def test_a_client_that_cannot_remember_all_says_so(plan: list[Step], remembered: int) -> None:
    client = outcome(limits_of(ENDLESS), plan, remembered=remembered)
    assert client.missed() == []
    assert {gap.reason for gap in client.gaps} <= {"forgotten"}
