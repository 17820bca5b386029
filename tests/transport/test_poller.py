"""The poller: who is told when, and what remains of those who wait in it when it ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import trio
import trio.testing

from transport.berth import Berth, Work
from transport.poller import Poller
from transport.socket_stream import SocketStream


class Waiting:
    """Reads what comes, and then does as it is told."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.then = then
        self.heard = b""
        self.late = 0
        self.abandoned = False

    def ready(self) -> None:
        self.heard += self.ours.recv(100)
        self.then()

    def overdue(self) -> None:
        self.late += 1

    def abandon(self) -> None:
        self.abandoned = True

    def has_heard(self, text: bytes) -> bool:
        return self.heard.endswith(text)

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def pair() -> Iterator[tuple[Waiting, Waiting]]:
    both = Waiting(), Waiting()
    yield both
    for each in both:
        each.close()


async def test_only_who_was_sent_something_is_told(nursery: trio.Nursery, pair: tuple[Waiting, Waiting]) -> None:
    poller, (one, other) = Poller(), pair
    await nursery.start(poller.run)
    for each in pair:
        assert poller.add(each.ours.fileno(), each)
    for text in (b"a", b"b"):
        one.theirs.send(text)
        await until(partial(one.has_heard, text))
    assert (one.heard, other.heard) == (b"ab", b"")


async def test_who_was_removed_is_not_told(nursery: trio.Nursery, pair: tuple[Waiting, Waiting]) -> None:
    poller, (one, other) = Poller(), pair
    await nursery.start(poller.run)
    for each in pair:
        poller.add(each.ours.fileno(), each)
    # Whichever of them is told first removes the other, which is in the same turn.
    one.then = lambda: poller.remove(other.ours.fileno())
    other.then = lambda: poller.remove(one.ours.fileno())
    for each in pair:
        each.theirs.send(b"x")
    await until(lambda: bool(one.heard or other.heard))
    await trio.testing.wait_all_tasks_blocked()
    assert sorted((one.heard, other.heard)) == [b"", b"x"]
    assert len(poller) == 1


class Idle:
    """The guest of one connection, and its host."""

    is_overdue = False

    def __init__(self) -> None:
        self.given = 0

    def ready(self) -> Work | None:
        raise AssertionError("nothing comes of one who was closed")

    async def attend(self) -> None: ...

    def turn_away(self) -> None: ...

    def abandon(self) -> None: ...

    def give_task(self, name: str, work: Work) -> None:
        self.given += 1

    def failed(self, name: str, error: Exception) -> None: ...

    def leave(self, name: str) -> None: ...


async def test_who_was_closed_has_left_though_its_socket_is_held_elsewhere(nursery: trio.Nursery) -> None:
    poller, idle = Poller(), Idle()
    await nursery.start(poller.run)
    ours, theirs = socket.socketpair()
    with theirs:
        stream = SocketStream(ours, ("peer", 1))
        berth = Berth("one", stream.fileno, idle, poller)
        stream.lie_at(berth)
        if not berth.park(idle):
            pytest.skip("nobody waits in a poller here")
        held = os.dup(stream.fileno)
        try:
            stream.abort()
            theirs.send(b"x")
            assert poller._epoll is not None
            assert poller._epoll.poll(0) == []
            assert (idle.given, berth.parked, len(poller)) == (1, False, 0)
        finally:
            os.close(held)


class Busy:
    """Has so many turns' work to do once it is sent something."""

    def __init__(self, poller: Poller, waiting: Waiting, turns: int, told: list[str], name: str) -> None:
        self.poller, self.waiting, self.turns, self.told, self.name = poller, waiting, turns, told, name
        self.fileno = waiting.ours.fileno()

    def ready(self) -> None:
        if not self.told.count(self.name):
            self.waiting.ready()
        self.told.append(self.name)
        if self.told.count(self.name) < self.turns:
            assert self.poller.ask_turn(self.fileno)

    def overdue(self) -> None: ...

    def abandon(self) -> None: ...


async def test_those_who_ask_for_more_take_turns(nursery: trio.Nursery, pair: tuple[Waiting, Waiting]) -> None:
    poller, told = Poller(), list[str]()
    await nursery.start(poller.run)
    for name, waiting in zip("ab", pair, strict=True):
        resident = Busy(poller, waiting, 3, told, name)
        poller.add(resident.fileno, resident)
        waiting.theirs.send(b"x")
    await until(lambda: len(told) == 6)
    assert {"".join(told[start : start + 2]) for start in (0, 2, 4)} <= {"ab", "ba"}
    await trio.testing.wait_all_tasks_blocked()
    assert len(told) == 6


async def test_one_who_leaves_has_no_turn_left(nursery: trio.Nursery, pair: tuple[Waiting, Waiting]) -> None:
    poller, told = Poller(), list[str]()
    await nursery.start(poller.run)
    resident = Busy(poller, pair[0], 2, told, "a")
    poller.add(resident.fileno, resident)
    pair[0].then = lambda: poller.remove(resident.fileno)
    pair[0].theirs.send(b"x")
    await until(lambda: bool(told))
    await trio.testing.wait_all_tasks_blocked()
    assert told == ["a"]


async def test_turns_that_were_asked_for_end_with_its_run(pair: tuple[Waiting, Waiting]) -> None:
    poller, told = Poller(), list[str]()
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        resident = Busy(poller, pair[0], 10**9, told, "a")
        poller.add(resident.fileno, resident)
        pair[0].theirs.send(b"x")
        await until(lambda: len(told) > 2)
        nursery.cancel_scope.cancel()
    asked = len(told)
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        assert poller.add(resident.fileno, resident)
        assert poller.add(pair[1].ours.fileno(), pair[1])
        pair[1].theirs.send(b"x")
        await until(lambda: pair[1].heard == b"x")
        nursery.cancel_scope.cancel()
    assert len(told) == asked


async def test_turns_are_asked_for_in_a_turn_only(nursery: trio.Nursery, pair: tuple[Waiting, Waiting]) -> None:
    """While it sleeps nothing would wake it."""
    poller = Poller()
    await nursery.start(poller.run)
    poller.add(pair[0].ours.fileno(), pair[0])
    await trio.testing.wait_all_tasks_blocked()
    assert not poller.ask_turn(pair[0].ours.fileno())


async def test_who_closed_its_socket_may_be_removed(nursery: trio.Nursery, pair: tuple[Waiting, Waiting]) -> None:
    poller, (one, _) = Poller(), pair
    await nursery.start(poller.run)
    fileno = one.ours.fileno()
    poller.add(fileno, one)
    one.ours.close()
    poller.remove(fileno)
    poller.remove(fileno)
    assert len(poller) == 0


async def test_what_the_kernel_does_not_take_has_to_have_a_task(
    nursery: trio.Nursery, pair: tuple[Waiting, Waiting]
) -> None:
    poller, (one, _) = Poller(), pair
    await nursery.start(poller.run)
    fileno = one.ours.fileno()
    one.ours.close()
    assert not poller.add(fileno, one)
    assert len(poller) == 0


async def test_all_that_wait_are_abandoned_when_it_ends(pair: tuple[Waiting, Waiting]) -> None:
    poller, (one, other) = Poller(), pair
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        poller.add(one.ours.fileno(), one)
        nursery.cancel_scope.cancel()
    assert one.abandoned
    assert not poller.add(other.ours.fileno(), other)
    assert len(poller) == 0


async def test_a_crash_abandons_them_too_and_it_may_run_again(pair: tuple[Waiting, Waiting]) -> None:
    poller, (one, other) = Poller(), pair

    def crash() -> None:
        raise RuntimeError("beyond its edge")

    one.then = crash
    with pytest.raises(ExceptionGroup):
        await _run_with(poller, one)
    assert one.abandoned
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        assert poller.add(other.ours.fileno(), other)
        other.theirs.send(b"x")
        await until(lambda: other.heard == b"x")
        nursery.cancel_scope.cancel()


async def test_alarms_come_in_time_whatever_their_order(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, pair: tuple[Waiting, Waiting]
) -> None:
    poller, (late, soon) = Poller(), pair
    await nursery.start(poller.run)
    poller.call_after(20, trio.current_time(), late)
    poller.call_after(10, trio.current_time(), soon)
    await trio.sleep(15)
    assert (soon.late, late.late) == (1, 0)
    await trio.sleep(10)
    assert (soon.late, late.late) == (1, 1)


async def test_what_was_asked_for_while_it_did_not_run_comes_too(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, pair: tuple[Waiting, Waiting]
) -> None:
    poller, (one, other) = Poller(), pair
    for each in pair:
        poller.call_after(10, trio.current_time(), each)
    poller.call_off(10, other)
    await nursery.start(poller.run)
    await trio.sleep(11)
    assert (one.late, other.late) == (1, 0)


async def _run_with(poller: Poller, waiting: Waiting) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(poller.run)
        poller.add(waiting.ours.fileno(), waiting)
        waiting.theirs.send(b"x")


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():
            await trio.lowlevel.checkpoint()
