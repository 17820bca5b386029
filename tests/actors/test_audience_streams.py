"""Whoever comes, leaves, lags or breaks in the midst of a fan-out: each sees its exact sequence, in whole frames."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeAlias
from unittest.mock import patch

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.channels import Channels
from actors.event import ChannelKey, Event
from actors.outbox import Outbox, OutboxOptions
from actors.position import Position
from actors.retention import Retention
from actors.subscription import Subscription
from tests.support.broadcasts import MemoryBroadcast
from tests.support.drafts import fact
from tests.support.spawners import CrashOnce, RestartingSpawner
from tests.support.world import MemorySink

CLIENTS = 7
TOPICS = ("a", "b")
Step: TypeAlias = tuple[str, int, str, int]


class Fragile:
    """Its lines begin with its name and the topic. It fails where it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.fails = False

    def encode(self, event: Event) -> bytes:
        if self.fails:
            self.fails = False
            raise CrashOnce
        return f"{self.name} {event.key.topic} {event.offset}\n".encode()


async def contained(writer: Callable[[], Awaitable[None]]) -> None:
    """A writer reads events by the same encoder: where it is the one that fails, its connection is given up."""
    with suppress(CrashOnce):
        await writer()


class Crowd:
    """Carries out the steps on several clients, and reads what each has got as it would."""

    def __init__(self, nursery: trio.Nursery, rooms: list[int | None], slots: int) -> None:
        spawner = RestartingSpawner(nursery)
        spawner.gate.set()
        self.channels = Channels(spawner, {"app": Retention(seconds=1e12)})
        self.encoders = (Fragile("x"), Fragile("y"))
        self.sinks = [MemorySink(room, direct=room != 1) for room in rooms]
        self.broadcast = MemoryBroadcast(self.sinks, slots)
        options = OutboxOptions(batch_bytes=50, replies_bytes=10**6)
        self.outboxes = [
            Outbox(sink, lambda writer: nursery.start_soon(contained, writer), options) for sink in self.sinks
        ]
        self.held: list[dict[tuple[Fragile, str], Subscription]] = [{} for _ in rooms]

    async def carry_out(self, step: Step) -> None:
        what, client, topic, number = step
        encoder = self.encoders[number % 2]
        match what:
            case "publish":
                await self.channels.emit(ChannelKey("app", topic), *map(fact, range(1 + number % 3)))
            case "tick":
                for _ in range(number):
                    await trio.lowlevel.checkpoint()
            case "settle":
                await wait_all_tasks_blocked()
            case "room":
                self.sinks[client].let_through(number)
            case "close up":
                self.sinks[client].close_up()
            case "reply":
                self.outboxes[client].put_nowait(b"reply - %d\n" % number)
            case "subscribe":
                self.subscribe(client, encoder, topic, number)
            case "unsubscribe":
                self.unsubscribe(client, encoder, topic)
            case "break":
                self.sinks[client].aborted = True
            case "crash":
                encoder.fails = True

    def subscribe(self, client: int, encoder: Fragile, topic: str, back: int) -> None:
        self.unsubscribe(client, encoder, topic)
        key, outbox = ChannelKey("app", topic), self.outboxes[client]
        log = self.channels.log(key)
        start = self.channels.resume(key, Position(log.epoch, max(0, log.tail - back)))
        outbox.put_nowait(f"{encoder.name}+ {topic} {start.offset}\n".encode())
        self.held[client][encoder, topic] = self.channels.subscribe(key, outbox, encoder, start)

    def unsubscribe(self, client: int, encoder: Fragile, topic: str) -> None:
        subscription = self.held[client].pop((encoder, topic), None)
        if subscription is not None:
            self.channels.unsubscribe(subscription)
            self.outboxes[client].put_nowait(f"{encoder.name}- {topic} 0\n".encode())

    def leave(self) -> None:
        for client, held in enumerate(self.held):
            for encoder, topic in tuple(held):
                self.unsubscribe(client, encoder, topic)
        assert not self.broadcast.taken

    async def check(self) -> None:
        for encoder in self.encoders:
            encoder.fails = False
        for sink in self.sinks:
            sink.let_through(None)
        await wait_all_tasks_blocked()
        for client, (sink, outbox) in enumerate(zip(self.sinks, self.outboxes, strict=True)):
            at = read(sink)
            if not sink.aborted:
                assert not outbox.busy
                held = {(encoder.name, topic) for encoder, topic in self.held[client]}
                assert at == {(name, topic): self.tail(topic) for name, topic in held}

    def tail(self, topic: str) -> int:
        return self.channels.log(ChannelKey("app", topic)).tail


def read(sink: MemorySink) -> dict[tuple[str, str], int]:
    """Where each of a client's subscriptions has come to."""
    at: dict[tuple[str, str], int] = {}
    for line in sink.lines:
        name, topic, number = line.split(" ")
        match name[1:]:
            case "eply":
                pass
            case "+":
                at[name[0], topic] = int(number)
            case "-":
                del at[name[0], topic]
            case _:
                assert int(number) == at[name, topic] + 1, "an event is lost, doubled, or out of order"
                at[name, topic] += 1
    return at


def step(*whats: str) -> st.SearchStrategy[Step]:
    return st.tuples(st.sampled_from(whats), st.integers(0, CLIENTS - 1), st.sampled_from(TOPICS), st.integers(0, 9))


steps = st.lists(
    st.one_of(
        step("publish"), step("publish"), step("tick"), step("settle"), step("subscribe", "unsubscribe"),
        step("room", "close up"), step("reply"), step("subscribe", "break", "crash"),
    ),
    min_size=10,
    max_size=60,
)  # fmt: skip


async def live_through(script: list[Step], rooms: list[int | None], slots: int) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery, rooms, slots)
        for client in range(CLIENTS):
            crowd.subscribe(client, crowd.encoders[client % 3 == 0], TOPICS[client % 2], 0)
            crowd.subscribe(client, crowd.encoders[0], TOPICS[0], 0)
        for one in script:
            await crowd.carry_out(one)
        await crowd.check()
        crowd.leave()
        nursery.cancel_scope.cancel()


@settings(max_examples=200, deadline=None)
@given(
    steps,
    st.lists(st.one_of(st.none(), st.integers(0, 120)), min_size=CLIENTS, max_size=CLIENTS),
    st.sampled_from([(1000, 1000), (1, 1000), (2, 1000), (1, 5)]),
)
def test_each_client_sees_its_exact_sequence(
    script: list[Step], rooms: list[int | None], together: tuple[int, int]
) -> None:
    """`together`: from how many in step on they are written to together, and how many slots there are for that."""
    many, slots = together
    # A pause after every second of them: what happens in the midst of a fan-out is the point.
    with patch("actors.audience._SLICE", 2), patch("actors.audience._MANY", many):
        trio.run(live_through, script, rooms, slots, clock=MockClock())
