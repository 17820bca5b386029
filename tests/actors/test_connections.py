from __future__ import annotations

import pytest
import trio

from actors.connection import Connection
from actors.connections import Connections, ConnectionsOptions
from actors.errors import CloseCode
from actors.principal import Principal
from tests.support.agents import AGENTS
from tests.support.world import ADMIN, ALICE, BOB, MemorySink, World

Closes = list[tuple[CloseCode, str]]


class Revocable:
    def __init__(self) -> None:
        self.revoked: set[str] = set()
        self.asked: list[str] = []

    async def verify(self, token: str) -> Principal:
        await trio.lowlevel.checkpoint()
        return Principal(token)

    def recall(self, token: str) -> Principal | None:
        return None

    def is_valid(self, principal: Principal) -> bool:
        self.asked.append(principal.credential_id)
        return principal.credential_id not in self.revoked


class ScriptedPeer:
    def __init__(self, *, answers: bool = True) -> None:
        self.last_received = 0.0
        self.answers = answers
        self.beats = 0

    def beat(self) -> None:
        self.beats += 1


class House:
    """Connections over peers that a test plays; its clock is the numbers handed in."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.verifier = Revocable()
        self.connections = Connections(self.verifier, ConnectionsOptions(heartbeat_seconds=30.0))
        self.closes: dict[Connection, Closes] = {}

    def enter(
        self, peer: ScriptedPeer | None = None, *, beat_seconds: float | None = None
    ) -> tuple[Connection, MemorySink]:
        connection, sink = self.world.connect(None)
        closes = self.closes[connection] = []
        connection.close = lambda code, why: closes.append((code, why))
        self.connections.add(connection, peer or ScriptedPeer(), 0.0, beat_seconds=beat_seconds)
        return connection, sink

    def codes(self, connection: Connection) -> list[CloseCode]:
        return [code for code, _ in self.closes[connection]]


@pytest.fixture
async def house(nursery: trio.Nursery) -> House:
    await trio.lowlevel.checkpoint()
    return House(World(nursery, AGENTS))


async def test_a_peer_that_answers_is_pinged_when_silent_and_kept(house: House) -> None:
    peer = ScriptedPeer()
    _, sink = house.enter(peer)
    await house.connections.round(29.0, 0.0)
    assert peer.beats == 0
    for now in range(30, 400, 10):
        before = peer.beats
        await house.connections.round(float(now), 0.0)
        if peer.beats > before:
            peer.last_received = now + 1.0
    assert peer.beats == 10
    assert not sink.aborted


async def test_a_talking_peer_is_not_pinged(house: House) -> None:
    peer = ScriptedPeer()
    house.enter(peer)
    for now in range(0, 200, 10):
        peer.last_received = float(now)
        await house.connections.round(now + 5.0, 0.0)
    assert peer.beats == 0


async def test_a_peer_with_a_beat_of_its_own_is_pinged_also_while_it_talks(house: House) -> None:
    peer = ScriptedPeer()
    _, sink = house.enter(peer, beat_seconds=5.0)
    for now in range(1, 51):
        peer.last_received = now - 0.5
        await house.connections.round(float(now), 0.0)
    assert (peer.beats, sink.aborted) == (10, False)
    for now in (55, 60, 65, 70):
        await house.connections.round(float(now), 0.0)
    assert sink.aborted


async def test_two_pings_unanswered_and_it_is_given_up(house: House) -> None:
    peer = ScriptedPeer()
    _, sink = house.enter(peer)
    await house.connections.round(30.0, 0.0)
    await house.connections.round(60.0, 0.0)
    assert (peer.beats, sink.aborted) == (2, False)
    await house.connections.round(89.0, 0.0)
    assert not sink.aborted
    for now in (90.0, 120.0):
        await house.connections.round(now, 0.0)
    assert (peer.beats, sink.aborted) == (2, True)
    assert house.connections.statistics().silent_total == 1


async def test_an_event_stream_only_takes_its_heartbeats(house: House) -> None:
    peer = ScriptedPeer(answers=False)
    _, sink = house.enter(peer)
    for now in range(30, 310, 30):
        await house.connections.round(float(now), 0.0)
    assert peer.beats == 10
    assert not sink.aborted


async def test_a_credential_that_runs_out_or_is_revoked_closes(house: House) -> None:
    expiring, _ = house.enter()
    house.connections.identify(expiring, Principal("alice", expires_at=1000.0), "phone")
    revoked, _ = house.enter()
    house.connections.identify(revoked, Principal("bob", credential_id="k1"), "phone")
    lasting, _ = house.enter()
    house.connections.identify(lasting, Principal("carol"), "phone")
    await house.connections.round(1.0, 999.9)
    assert house.codes(expiring) == []
    house.verifier.revoked.add("k1")
    for _ in range(2):
        await house.connections.round(2.0, 1000.0)
    assert house.codes(expiring) == house.codes(revoked) == [CloseCode.UNAUTHORIZED]
    assert house.codes(lasting) == []
    assert house.connections.statistics().expired_total == 2


async def test_a_round_asks_once_for_each_credential(house: House) -> None:
    for number in range(6):
        connection, _ = house.enter()
        house.connections.identify(connection, Principal("alice", credential_id=f"k{number % 2}"), f"device-{number}")
    await house.connections.round(1.0, 1.0)
    assert house.verifier.asked == ["k0", "k1"]
    await house.connections.round(2.0, 2.0)
    assert house.verifier.asked == ["k0", "k1"] * 2


async def test_a_renewed_credential_stands(house: House) -> None:
    connection, _ = house.enter()
    house.connections.identify(connection, Principal("alice", expires_at=1000.0), "phone")
    house.world.watch(connection, "app", "news")
    house.connections.identify(connection, Principal("alice", expires_at=2000.0), "phone")
    await house.connections.round(1.0, 1500.0)
    assert house.codes(connection) == []
    assert connection.subscriptions == 1


async def test_the_same_device_replaces_and_another_does_not(house: House) -> None:
    old, phone, laptop, bobs = [house.enter()[0] for _ in range(4)]
    house.connections.identify(old, ALICE, "phone")
    house.connections.identify(laptop, ALICE, "laptop")
    house.connections.identify(bobs, BOB, "phone")
    house.connections.identify(phone, ALICE, "phone")
    assert [house.codes(one) for one in (old, phone, laptop, bobs)] == [[CloseCode.REPLACED], [], [], []]
    # The old one's end takes nothing from the new one.
    house.connections.remove(old)
    newest, _ = house.enter()
    house.connections.identify(newest, ALICE, "phone")
    assert house.codes(phone) == [CloseCode.REPLACED]
    assert house.connections.statistics().replaced_total == 2


@pytest.mark.parametrize(("before", "after"), [(ALICE, BOB), (ADMIN, Principal("root"))])
async def test_who_becomes_another_starts_afresh(house: House, before: Principal, after: Principal) -> None:
    connection, _ = house.enter()
    house.connections.identify(connection, before, "phone")
    house.world.watch(connection, "task")
    house.world.watch(connection, "app", "news")
    house.connections.identify(connection, after, "phone")
    assert connection.subscriptions == 0
    assert house.world.channels.statistics().followers == 0
    # The device of the former user is free.
    other, _ = house.enter()
    house.connections.identify(other, Principal(before.user_id, before.scopes), "tablet")
    house.connections.remove(connection)
    house.connections.remove(other)
    assert house.connections._devices == {}


async def test_all_are_closed_and_counted(house: House) -> None:
    first, second = [house.enter()[0] for _ in range(2)]
    house.connections.identify(first, ALICE, "phone")
    figures = house.connections.statistics()
    assert (figures.open, figures.authenticated, figures.opened_total) == (2, 1, 2)
    house.connections.close_all(CloseCode.RESTARTING, "restart")
    assert house.closes[first] == house.closes[second] == [(CloseCode.RESTARTING, "restart")]
    for _ in range(2):
        house.connections.remove(first)
    assert len(house.connections) == 1
