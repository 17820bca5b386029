"""What happens to a simulated engine, as data: made from a seed, shrunk step by step, written down and read back."""

from __future__ import annotations

from enum import Enum
from random import Random

import msgspec


class Do(Enum):
    """`which` is a topic for the steps that concern one, a device for those of the network."""

    PUBLISH = "publish"
    """A client publishes `amount` events in one piece, and waits for the answer."""
    EMIT = "emit"
    """The engine says `amount` things of itself, one after the other, as an agent does."""
    GIVE_UP = "give up"
    """Who publishes to the topic is cancelled."""
    CUT = "cut"
    STALL = "stall"
    FLOW = "flow"
    SLOW = "slow"
    """Commits take up to `amount` milliseconds from now on."""
    FAIL = "fail"
    FULL = "full"
    """The disk takes nothing until it is healed, or something on it may go. It can be read."""
    HEAL = "heal"
    CRASH_JOURNAL = "crash journal"
    CRASH_CHANNEL = "crash channel"
    CRASH_FEED = "crash feed"
    CRASH_ROUNDS = "crash rounds"
    """What a timer drives, and what gives back to the topics the actors that a restart has cost them."""
    INTERRUPT_READER = "interrupt reader"
    RETAIN = "retain"
    """All but the newest `amount` events of the topic may go."""
    SWEEP = "sweep"
    FORGET = "forget"
    BACK_UP = "back up"
    STOP = "stop"
    """The engine stops in good order, and starts again."""
    KILL = "kill"
    """The engine is gone from one moment to the next. What was being committed is kept where `amount` is odd."""
    RESTORE = "restore"
    """As KILL, and it starts again with the copy of the last BACK_UP, or with nothing."""


class Step(msgspec.Struct, frozen=True):
    """`after`: seconds until the next step."""

    do: Do
    which: int = 0
    amount: int = 0
    after: float = 0.0


class Shape(msgspec.Struct, frozen=True):
    """The engine and those around it. `kept`: so many of the topics; the others are in memory alone. `window`: events
    of a topic in memory. `in_place`, `waiting`, `batch`: as in ChannelsOptions and JournalOptions. `buffer`: bytes that
    a socket takes while its peer does not read.

    `devices` follow topics by name, `whole` all of their channel, and `streams` one topic each over an event stream;
    `members` are in a room, in the agent dialect, and `listeners` hear the steps of a task. Where there are none of the
    last two, there is no room and no task."""

    topics: int
    kept: int
    devices: int
    whole: int
    streams: int
    members: int
    listeners: int
    window: int
    in_place: int
    waiting: int
    batch: int
    buffer: int


class Schedule(msgspec.Struct, frozen=True):
    """`seed` is of everything that no step says: delays, pauses, the order in which tasks run."""

    seed: int
    shape: Shape
    steps: tuple[Step, ...]


_WEIGHTS = {
    Do.PUBLISH: 24,
    Do.EMIT: 20,
    Do.GIVE_UP: 2,
    Do.CUT: 8,
    Do.STALL: 6,
    Do.FLOW: 6,
    Do.SLOW: 6,
    Do.FAIL: 2,
    Do.FULL: 2,
    Do.HEAL: 4,
    Do.CRASH_JOURNAL: 2,
    Do.CRASH_CHANNEL: 3,
    Do.CRASH_FEED: 2,
    Do.CRASH_ROUNDS: 2,
    Do.INTERRUPT_READER: 3,
    Do.RETAIN: 3,
    Do.SWEEP: 3,
    Do.FORGET: 1,
    Do.BACK_UP: 2,
    Do.STOP: 2,
    Do.KILL: 4,
    Do.RESTORE: 1,
}
_PAUSES = (0.0, 0.0, 0.0, 0.001, 0.02, 0.3, 3.0)


def make_schedule(seed: int) -> Schedule:
    """The schedule of that seed: the same in every process."""
    chance = Random(seed)
    topics = chance.randint(1, 3)
    shape = Shape(
        topics=topics,
        kept=max(1, topics - (chance.random() < 0.25)),
        devices=chance.choice((1, 1, 1, 2, 3)),
        whole=chance.choice((0, 0, 0, 1)),
        streams=chance.choice((0, 0, 1, 2)),
        members=chance.choice((0, 0, 0, 1, 2)),
        listeners=chance.choice((0, 0, 0, 1, 2)),
        window=chance.choice((1, 3, 8, 1000)),
        in_place=chance.choice((32, 32, 1, -1)),
        waiting=chance.choice((1, 2, 8, 1024)),
        batch=chance.choice((1, 2, 4096)),
        buffer=chance.choice((160, 400, 3000, 100_000)),
    )
    doings = chance.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()), k=chance.randint(5, 25))
    return Schedule(seed, shape, tuple(_step(do, shape, chance) for do in doings))


def _step(do: Do, shape: Shape, chance: Random) -> Step:
    amount = chance.choice((0, 1, 5, 40, 400, 4000)) if do is Do.SLOW else chance.randint(1, 4)
    return Step(do, chance.randrange(12), amount, chance.choice(_PAUSES))
