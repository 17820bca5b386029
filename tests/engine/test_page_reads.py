"""Pages that are read together: each gets its own, once, whoever is cancelled or fails beside it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.event import ChannelKey, Event, draft
from actors.log import Log
from actors.retention import Retention
from actors.store import StoreError
from engine.page_reads import MOST, Page, PageReads, PageRequest

SECONDS = 5.0


class Disk:
    """Notes what is read together. Its first turn waits until it is `opened`."""

    def __init__(self) -> None:
        self.turns: list[tuple[PageRequest, ...]] = []
        self.opened = threading.Event()

    def read_all(self, requests: Sequence[PageRequest]) -> list[Page]:
        self.turns.append(tuple(requests))
        assert self.opened.wait(SECONDS)
        return [page_of(request) for request in requests]


def page_of(request: PageRequest) -> Page:
    if request.key.topic == "broken":
        return StoreError("torn")
    return [Log(request.key, Retention()).append(draft("word", request.after))]


def asked(topic: str, after: int = 0) -> PageRequest:
    return PageRequest(ChannelKey("app", topic), after, 10, 1000)


class Readers:
    """Each notes its page or what it raised."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.disk = Disk()
        self.reading = trio.CapacityLimiter(1)
        self.pages = PageReads(self.disk.read_all, self.reading)
        self.got: dict[int, list[Event]] = {}
        self.failed: dict[int, StoreError] = {}
        self._nursery = nursery

    async def start(self, number: int, request: PageRequest) -> trio.CancelScope:
        scope = trio.CancelScope()

        async def read() -> None:
            with scope:
                try:
                    self.got[number] = await self.pages.read(request)
                except StoreError as error:
                    self.failed[number] = error

        self._nursery.start_soon(read)
        await wait_all_tasks_blocked()
        return scope


async def test_those_who_come_while_one_is_read_are_read_next_and_together() -> None:
    async with trio.open_nursery() as nursery:
        readers = Readers(nursery)
        for number in range(5):
            await readers.start(number, asked(f"t{number}", number))
        readers.disk.opened.set()
    assert [len(turn) for turn in readers.disk.turns] == [1, 4]
    assert {number: event.data for number, (event,) in readers.got.items()} == {number: number for number in range(5)}


async def test_what_is_asked_for_twice_is_read_once_and_each_has_a_list_of_its_own() -> None:
    async with trio.open_nursery() as nursery:
        readers = Readers(nursery)
        for number in range(4):
            await readers.start(number, asked("t"))
        readers.disk.opened.set()
    assert [len(turn) for turn in readers.disk.turns] == [1, 1]
    readers.got[1].clear()
    assert len(readers.got[2]) == len(readers.got[3]) == 1


async def test_a_turn_is_bounded() -> None:
    async with trio.open_nursery() as nursery:
        readers = Readers(nursery)
        for number in range(2 * MOST + 2):
            await readers.start(number, asked(f"t{number}"))
        readers.disk.opened.set()
    assert [len(turn) for turn in readers.disk.turns] == [1, MOST, MOST, 1]
    assert len(readers.got) == 2 * MOST + 2


async def test_an_error_is_for_the_one_whose_page_it_was() -> None:
    async with trio.open_nursery() as nursery:
        readers = Readers(nursery)
        for number, topic in enumerate(("first", "t1", "broken", "t2", "broken")):
            await readers.start(number, asked(topic))
        readers.disk.opened.set()
    assert set(readers.got) == {0, 1, 3}
    assert {str(error) for error in readers.failed.values()} == {"torn"}
    assert readers.failed[2] is not readers.failed[4]


async def test_one_who_gives_up_leaves_its_turn_to_the_others() -> None:
    async with trio.open_nursery() as nursery:
        readers = Readers(nursery)
        await readers.start(0, asked("t0"))
        leader = await readers.start(1, asked("t1"))
        await readers.start(2, asked("t2"))
        leader.cancel()
        await wait_all_tasks_blocked()
        readers.disk.opened.set()
    assert set(readers.got) == {0, 2}


async def test_nobody_waits_for_ever_on_a_read_that_crashes() -> None:
    class Torn(Exception):
        pass

    def crash(_: Sequence[PageRequest]) -> list[Page]:
        if not crashed:
            crashed.append(True)
            raise Torn
        return [[]]

    crashed: list[bool] = []
    pages = PageReads(crash, trio.CapacityLimiter(1))
    with pytest.raises(Torn):
        await pages.read(asked("t"))
    assert await pages.read(asked("t")) == []
