"""Long walks go in slices: others run in between, and what they change is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
import trio

from actors import connections as connections_module
from actors import topic_sweep as sweep_module
from actors.channels import Channels
from actors.channels_options import ChannelsOptions
from actors.connections import Connections
from actors.event import ChannelKey
from actors.pace import Pace
from actors.principal import Principal
from tests.actors.test_connections import ScriptedPeer
from tests.support.agents import AGENTS
from tests.support.drafts import fact
from tests.support.spawners import NoSpawner
from tests.support.world import AllValid, World

IDLE = ChannelsOptions(idle_seconds=10.0, topics=3)


def app(number: int) -> ChannelKey:
    return ChannelKey("app", f"t{number}", f"user{number % 2}")


@pytest.fixture
def a_pause_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the walks' clock an hour passes with every look at it."""
    hours = map(float, count(0, 3600))

    def pace() -> Pace:
        return Pace(hours.__next__)

    for module in (sweep_module, connections_module):
        monkeypatch.setattr(module, "Pace", pace)


async def beside(walk: Callable[[], Iterator[None]], done: trio.Event) -> int:
    """Takes a step at each turn of its task until done; how many turns it had."""
    turns, steps = 0, walk()
    while not done.is_set():
        next(steps, None)
        turns += 1
        await trio.lowlevel.checkpoint()
    return turns


async def test_a_walk_steps_aside_when_its_slice_is_over(autojump_clock: trio.abc.Clock) -> None:
    now = [0.0]
    pace = Pace(lambda: now[0])
    assert not pace.is_due()
    now[0] += 1.0
    assert pace.is_due()
    await pace.step_aside()
    assert not pace.is_due()


async def test_topics_change_while_the_idle_are_put_away(autojump_clock: trio.abc.Clock, a_pause_each: None) -> None:
    channels = Channels(NoSpawner(), {}, ChannelsOptions(idle_seconds=10.0))
    for number in range(20):
        await channels.publish(app(number), fact(number))
    await trio.sleep(11)

    done, turns = trio.Event(), []

    def others() -> Iterator[None]:
        while not channels.statistics().shelved:
            yield
        channels.forget(app(17))
        yield
        channels.forget(app(18))
        channels.create(app(18))
        yield
        channels.log(app(30))
        yield

    async def look() -> None:
        turns.append(await beside(others, done))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await channels.sweep.run()
        done.set()
    assert turns[0] >= 20
    figures = channels.statistics()
    # Put away are 0 to 16 and 19; 18 is another life of its topic, and 30 is new.
    assert (figures.live, figures.shelved, figures.events) == (2, 18, 20)
    assert not channels.exists(app(17))
    assert channels.log(app(18)).tail == 0
    assert [channels.log(app(number)).tail for number in (0, 16, 19)] == [1, 1, 1]


async def test_what_is_taken_into_use_meanwhile_is_not_forgotten(
    autojump_clock: trio.abc.Clock, a_pause_each: None
) -> None:
    channels = Channels(NoSpawner(), {}, IDLE)
    for number in range(8):
        await channels.publish(app(number), fact(number))
    await trio.sleep(11)

    def others() -> Iterator[None]:
        while channels.exists(app(0)):
            yield
        # Five are to go, and the first is gone: with two in use again there are two too many left.
        channels.log(app(2))
        channels.log(app(7))
        yield

    done = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(beside, others, done)
        await channels.sweep.run()
        done.set()
    assert [number for number in range(8) if channels.exists(app(number))] == [2, 4, 5, 6, 7]
    assert channels.statistics().live == 2


async def test_clients_come_and_go_during_a_round(autojump_clock: trio.abc.Clock, a_pause_each: None) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connections = Connections(AllValid())
        peers = [ScriptedPeer() for _ in range(10)]
        clients = [world.connect(None)[0] for _ in peers]
        for client, peer in zip(clients, peers, strict=True):
            connections.add(client, peer, 0.0)
            connections.identify(client, Principal("alice"), str(id(peer)))
        late = ScriptedPeer()

        def others() -> Iterator[None]:
            while not peers[0].beats:
                yield
            connections.remove(clients[9])
            connections.add(world.connect(None)[0], late, 0.0)
            yield

        done = trio.Event()
        nursery.start_soon(beside, others, done)
        await connections.round(31.0, 0.0)
        done.set()
        assert [peer.beats for peer in peers] == [1] * 9 + [0]
        assert late.beats == 0
        await connections.round(31.5, 0.0)
        assert late.beats == 1
