"""Broadcasts on real sockets: io_uring's where this system has it, and the loop that it is to equal."""

from __future__ import annotations

import resource
import socket
from array import array
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.broadcast import BROKEN, NO_SLOT, Broadcast
from tests.transport.socket_crowd import SLOTS, Crowd, broadcasts
from transport.io_uring import IoUring


@pytest.fixture(params=broadcasts())
def broadcast(request: pytest.FixtureRequest) -> Broadcast:
    made: Broadcast = request.param(SLOTS)
    return made


@pytest.fixture
def crowd(broadcast: Broadcast) -> Iterator[Crowd]:
    made = Crowd(broadcast, 20)
    yield made
    made.close()


def test_each_gets_the_same_bytes(crowd: Crowd) -> None:
    for data in (b"one", b"another", b"x" * 5000, b"y"):
        assert crowd.write(data) == []
        assert [crowd.read(place) for place in range(20)] == [data] * 20


@pytest.mark.parametrize("count", [1, 255, 256, 511, 600])
def test_any_number_at_once_many_times(broadcast: Broadcast, count: int) -> None:
    crowd = Crowd(broadcast, count)
    for number in range(7):
        data = b"%d" % number
        assert crowd.write(data) == []
        assert [crowd.read(place) for place in range(count)] == [data] * count
    crowd.close()


def test_who_takes_only_a_part_or_nothing_is_told(crowd: Crowd) -> None:
    crowd.near[3].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    large = b"x" * 100_000
    taken = crowd.write(large)
    sent = taken[3]
    assert 0 <= sent < len(large)
    while taken[3]:
        taken = crowd.write(large)
        sent += taken[3] if taken else len(large)
        for place in set(range(20)) - {3}:
            crowd.read(place)
    assert taken == [len(large)] * 3 + [0] + [len(large)] * 16
    assert len(crowd.read(3)) == sent


def test_who_is_gone_is_told_alone(crowd: Crowd) -> None:
    crowd.far[0].close()
    crowd.far[7].close()
    assert crowd.write(b"event") == [BROKEN if place in (0, 7) else 5 for place in range(20)]


def test_who_is_gone_is_told_alone_at_any_place_of_the_ring(crowd: Crowd) -> None:
    """Twenty go into no ring without a rest: some time they are handed over in two parts, each of which may be the one
    that is not taken whole."""
    for round_ in range(60):
        gone = (3, 17)[round_ // 30]
        crowd.broadcast.free_slots((crowd.slots[gone],))
        near, far = socket.socketpair()
        with near:
            crowd.slots[gone] = crowd.broadcast.take_slot(near.fileno())
        far.close()
        assert crowd.write(b"event") == [BROKEN if place == gone else 5 for place in range(20)]
        crowd.broadcast.free_slots((crowd.slots[gone],))
        crowd.slots[gone] = crowd.broadcast.take_slot(crowd.near[gone].fileno())


def test_what_ends_in_another_order_is_told_of_the_right_ones(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = IoUring.submit

    def backwards(ring: IoUring, count: int) -> tuple[memoryview, memoryview]:
        results, entries = submit(ring, count)
        return results[::-1], entries[::-1]

    monkeypatch.setattr(IoUring, "submit", backwards)
    crowd.far[3].close()
    assert crowd.write(b"event") == [BROKEN if place == 3 else 5 for place in range(20)]


def test_a_slot_holds_its_socket_and_never_the_next_of_its_number(broadcast: Broadcast) -> None:
    near, far = socket.socketpair()
    slot, number = broadcast.take_slot(near.fileno()), near.fileno()
    near.close()
    stranger, other_end = socket.socketpair()
    with far, stranger, other_end:
        assert number in (stranger.fileno(), other_end.fileno())
        other_end.setblocking(False)
        stranger.setblocking(False)
        assert list(broadcast.write(array("i", (slot,)), b"private")) == []
        assert far.recv(100) == b"private"
        for end in (stranger, other_end):
            with pytest.raises(BlockingIOError):
                end.recv(1)
        broadcast.free_slots((slot,))
        assert far.recv(1) == b"", "only now the connection is closed"


def test_a_slot_that_was_freed_reaches_nobody(crowd: Crowd) -> None:
    crowd.broadcast.free_slots((crowd.slots[5],))
    assert crowd.write(b"event") == [BROKEN if place == 5 else 5 for place in range(20)]
    assert crowd.read(5) == b""
    assert crowd.broadcast.take_slot(crowd.near[5].fileno()) == crowd.slots[5]


def test_there_are_so_many_slots_and_no_more(broadcast: Broadcast) -> None:
    near, far = socket.socketpair()
    with near, far:
        slots = [broadcast.take_slot(near.fileno()) for _ in range(SLOTS)]
        assert len(set(slots) - {NO_SLOT}) == SLOTS
        assert broadcast.take_slot(near.fileno()) == NO_SLOT
        broadcast.free_slots((slots[9],))
        assert broadcast.take_slot(-1) == NO_SLOT
        assert broadcast.take_slot(near.fileno()) == slots[9]
        broadcast.free_slots(slots)


@given(st.lists(st.integers(0, 29), unique=True))
def test_many_are_freed_at_once_in_any_order_and_no_other(gone: list[int]) -> None:
    for make in broadcasts():
        crowd = Crowd(make(SLOTS), 30)
        crowd.broadcast.free_slots([crowd.slots[place] for place in gone])
        assert crowd.write(b"event") == ([BROKEN if place in gone else 5 for place in range(30)] if gone else [])
        for place in gone:
            crowd.slots[place] = crowd.broadcast.take_slot(crowd.near[place].fileno())
        assert len(set(crowd.slots)) == 30
        assert crowd.write(b"more") == []
        assert [crowd.read(place) for place in range(30)] == [
            b"more" if place in gone else b"eventmore" for place in range(30)
        ]
        crowd.close()


def test_a_closed_descriptor_has_no_slot(broadcast: Broadcast) -> None:
    near, far = socket.socketpair()
    number = near.fileno()
    near.close()
    far.close()
    # None is used up by that.
    for _ in range(SLOTS):
        assert broadcast.take_slot(number) == NO_SLOT
    near, far = socket.socketpair()
    with near, far:
        slot = broadcast.take_slot(near.fileno())
        assert slot != NO_SLOT
        broadcast.free_slots((slot,))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 39), st.sampled_from(["send", "drain", "leave", "come"])), max_size=60))
def test_whoever_lags_leaves_and_comes_each_gets_what_was_taken(steps: list[tuple[int, str]]) -> None:
    for make in broadcasts():
        crowd = Crowd(make(SLOTS), 40)
        taken, read = [0] * 40, [0] * 40
        for near in crowd.near:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        for place, what in steps:
            match what:
                case "send":
                    data = b"z" * (1 + 500 * place)
                    written = crowd.write(data) or [len(data)] * 40
                    taken = [before + max(0, more) for before, more in zip(taken, written, strict=True)]
                case "drain":
                    read[place] += len(crowd.read(place))
                    assert read[place] == taken[place]
                case "leave":
                    if crowd.slots[place] != NO_SLOT:
                        crowd.broadcast.free_slots((crowd.slots[place],))
                        crowd.slots[place] = crowd.broadcast.take_slot(crowd.near[place].fileno())
                case _:
                    slot = crowd.broadcast.take_slot(crowd.near[place].fileno())
                    crowd.broadcast.free_slots((crowd.slots[place],))
                    crowd.slots[place] = slot
        for place in range(40):
            assert read[place] + len(crowd.read(place)) == taken[place]
        crowd.close()


def test_no_more_slots_than_a_process_may_have_files() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for make in broadcasts()[1:]:
        ring = make(soft + 1_000_000)
        assert ring.largest > 0
