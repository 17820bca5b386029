"""Which topics of a channel held whole are taken up, and from where on; by a holder that only notes it."""

from __future__ import annotations

from collections.abc import Awaitable
from itertools import count

import pytest
import trio

from actors import pace as pace_module
from actors.admission import Admission, admit_to_all
from actors.event import ChannelKey
from actors.following import Following
from actors.pace import Pace
from actors.position import Position
from actors.subscription import Subscription
from tests.support.drafts import fact
from tests.support.world import ALICE, World


def app(name: str) -> ChannelKey:
    return ChannelKey("app", name)


@pytest.fixture(autouse=True)
def time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No walk is ever long, however busy the machine is."""
    monkeypatch.setattr(pace_module, "Pace", lambda: Pace(lambda: 0.0))


class Notes:
    """What a holder is asked to do. It subscribes to nothing."""

    def __init__(self, world: World) -> None:
        self.held: dict[ChannelKey, Subscription] = {}
        self.taken: list[tuple[str, int]] = []
        self.gone: list[str] = []
        self.hidden: set[ChannelKey] = set()
        self.following = Following(self, world.router, "app", ALICE)
        self._world = world

    def sees(self, key: ChannelKey) -> bool:
        return key not in self.hidden

    def subscribe(self, admission: Admission) -> None:
        self.taken.append((admission.key.topic, admission.start.offset))

    def forget(self, key: ChannelKey) -> None:
        self.gone.append(key.topic)

    def catch_up(self, mark: Position, *placed: ChannelKey) -> Awaitable[None] | None:
        whole = admit_to_all(self._world.router, ALICE, "app", {"*": mark})
        return self.following.catch_up(ALICE, whole, placed)


async def test_each_topic_is_taken_up_where_it_stood_at_the_mark(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        await world.channels.publish(app("a"), fact(1), fact(2))
        mark = world.channels.marks.now
        await world.channels.publish(app("a"), fact(3))
        await world.channels.publish(app("b"), fact(1))
        await world.channels.publish(app("placed"), fact(1))
        await world.channels.publish(app("hidden"), fact(1))
        notes = Notes(world)
        notes.hidden.add(app("hidden"))
        world.channels.followers.follow_what_comes(notes.following.follower)
        assert notes.catch_up(mark, app("placed")) is None
        assert sorted(notes.taken) == [("a", 2), ("b", 0)]
        nursery.cancel_scope.cancel()


async def test_what_opens_is_taken_up_until_it_is_closed(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        notes = Notes(world)
        world.channels.followers.follow_what_comes(notes.following.follower)
        await world.channels.publish(app("new"), fact(1))
        world.channels.forget(app("new"))
        notes.following.close()
        await world.channels.publish(app("later"), fact(1))
        assert (notes.taken, notes.gone) == ([("new", 0)], ["new"])
        nursery.cancel_scope.cancel()


async def test_closed_amid_the_walk_it_takes_up_nothing_more(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = map(float, count(0, 3600))
    monkeypatch.setattr(pace_module, "Pace", lambda: Pace(hours.__next__))
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        mark = world.channels.marks.now
        for name in "abc":
            await world.channels.publish(app(name), fact(1))
        notes = Notes(world)
        rest = notes.catch_up(mark)
        assert rest is not None
        notes.following.close()
        await rest
        assert notes.taken == [("a", 0)]
        nursery.cancel_scope.cancel()


async def test_what_opens_while_it_catches_up_is_placed_at_once_and_taken_up_once(
    autojump_clock: trio.abc.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = map(float, count(0, 3600))
    monkeypatch.setattr(pace_module, "Pace", lambda: Pace(hours.__next__))
    async with trio.open_nursery() as nursery:
        world = World(nursery, {})
        for name in "ab":
            await world.channels.publish(app(name), fact(1))
        mark = world.channels.marks.now
        notes = Notes(world)
        world.channels.followers.follow_what_comes(notes.following.follower)
        rest = notes.catch_up(mark)
        assert rest is not None
        await world.channels.publish(app("new"), fact(1))
        await rest
        assert notes.taken == [("a", 1), ("new", 0), ("b", 1)]
        nursery.cancel_scope.cancel()
