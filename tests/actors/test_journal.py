"""The journal: what is kept is delivered, what is not is neither delivered nor acknowledged, and all of it in order."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from weakref import ReferenceType, ref

import pytest
import trio
import trio.testing

from actors.errors import CallboardError, ErrorCode
from actors.event import ChannelKey, Event, draft
from actors.journal import Journal, JournalOptions
from actors.journal_entries import Appended
from actors.log import Log
from actors.mailbox import Reply
from actors.pace import Pace
from actors.position import Position
from actors.retention import Retention
from actors.store import Record
from tests.support.memory_store import MemoryStore

KEY = ChannelKey("task", "task-1", "alice")


class Delivered:
    """A topic that remembers what it was handed."""

    def __init__(self, key: ChannelKey = KEY) -> None:
        self.log = Log(key, Retention())
        self.batches: list[list[int]] = []
        self.refused = 0

    def deliver(self, events: Sequence[Event], entries: int) -> None:
        for event in events:
            self.log.add(event)
        self.batches.append([event.offset for event in events])

    def give_up(self, entries: int) -> None:
        self.refused += entries


def entry(topic: Delivered, *words: str, reply: Reply[Position] | None = None) -> Appended:
    return Appended(topic, tuple(draft("word", word) for word in words), reply)


async def put(journal: Journal, what: Appended) -> None:
    """As a topic does."""
    await journal.wait_for_room(is_refusable=what.is_refusable)
    journal.put_nowait(what)


async def test_delivers_in_order_after_the_commit(autojump_clock: object) -> None:
    store, topic = MemoryStore(seconds=1), Delivered()
    journal = Journal(store)
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        journal.put_nowait(entry(topic, "a", "b"))
        journal.put_nowait(entry(topic, "c"))
        await trio.sleep(0.5)
        assert topic.batches == []
        assert topic.log.tail == 0
        reply: Reply[Position] = Reply()
        await put(journal, entry(topic, "d", reply=reply))
        position = await reply.wait()
        nursery.cancel_scope.cancel()
    assert position == Position(topic.log.epoch, 4)
    # What a commit holds is a matter of who was there in time; all that matters is the order.
    assert [offset for batch in topic.batches for offset in batch] == [1, 2, 3, 4]
    assert [event.data for event in store.events(KEY)] == ["a", "b", "c", "d"]


async def test_what_comes_during_a_commit_is_the_next_one(autojump_clock: object) -> None:
    store, topic = MemoryStore(seconds=1), Delivered()
    journal = Journal(store)
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        await put(journal, entry(topic, "first"))
        await trio.sleep(0.1)
        for number in range(50):
            await put(journal, entry(topic, str(number)))
        await trio.sleep(3)
        nursery.cancel_scope.cancel()
    assert topic.log.tail == 51
    assert store.commits == 2


async def test_a_refused_commit_refuses_clients_and_keeps_the_engines_own_in_order(autojump_clock: object) -> None:
    changes: list[str | None] = []
    store, topic = MemoryStore(), Delivered()
    journal = Journal(store, changed=changes.append)
    store.fail("disk full")
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        reply: Reply[Position] = Reply()
        await put(journal, entry(topic, "mine 1"))
        await put(journal, entry(topic, "a client's", reply=reply))
        await put(journal, entry(topic, "mine 2"))
        with pytest.raises(CallboardError, match="disk full") as refusal:
            await reply.wait()
        assert refusal.value.code is ErrorCode.UNAVAILABLE
        assert refusal.value.retry_after
        with pytest.raises(CallboardError, match="disk full"):
            await journal.keep(Record("task", "1", b""))
        assert topic.log.tail == 0
        assert topic.refused == 1
        await trio.sleep(10)
        store.recover()
        await trio.sleep(10)
        await journal.keep(Record("task", "1", b"now"))
        nursery.cancel_scope.cancel()
    assert [event.data for event in store.events(KEY)] == ["mine 1", "mine 2"]
    assert topic.log.tail == 2
    assert changes == ["disk full", None]
    assert await store.records("task") == [("1", b"now")]


async def test_recovers_also_where_nothing_waits(autojump_clock: object) -> None:
    store, topic = MemoryStore(), Delivered()
    journal = Journal(store)
    store.fail("read-only")
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        reply: Reply[Position] = Reply()
        await put(journal, entry(topic, "lost", reply=reply))
        with pytest.raises(CallboardError, match="read-only"):
            await reply.wait()
        store.recover()
        await trio.sleep(5)
        assert journal.failure is None
        nursery.cancel_scope.cancel()


async def test_what_waits_is_kept_when_the_engine_stops(autojump_clock: object) -> None:
    store, topic = MemoryStore(seconds=1), Delivered()
    journal = Journal(store)
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        await put(journal, entry(topic, "first"))
        await trio.sleep(0.5)
        await put(journal, entry(topic, "second"))
        nursery.cancel_scope.cancel()
    assert [event.data for event in store.events(KEY)] == ["first", "second"]
    assert topic.log.tail == 2


async def test_a_full_mailbox_makes_the_publisher_wait(autojump_clock: object) -> None:
    store, topic = MemoryStore(seconds=1), Delivered()
    journal = Journal(store, JournalOptions(waiting=2, batch=2))
    added: list[float] = []

    async def publish() -> None:
        began = trio.current_time()
        for number in range(8):
            await put(journal, entry(topic, str(number)))
            added.append(trio.current_time() - began)

    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        await publish()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert topic.log.tail == 8
    assert added[-1] >= 1


async def test_a_client_does_not_wait_behind_a_queue_that_a_failing_store_leaves_full(autojump_clock: object) -> None:
    store, topic = MemoryStore(), Delivered()
    journal = Journal(store, JournalOptions(waiting=2, batch=2))
    store.fail("disk full")

    async def emit() -> None:
        for number in range(8):
            await put(journal, entry(topic, str(number)))

    async def submit() -> None:
        reply: Reply[Position] = Reply()
        await put(journal, entry(topic, "a client's", reply=reply))
        await reply.wait()

    async def publish() -> None:
        with pytest.raises(CallboardError, match="disk full"):
            await submit()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(emit)
        await trio.sleep(1)
        # It waits for room when the store has not failed yet, and hears of it when it has.
        nursery.start_soon(publish)
        await trio.sleep(1)
        await nursery.start(journal.run)
        await trio.sleep(1)
        began = trio.current_time()
        await publish()
        assert trio.current_time() == began
        store.recover()
        await trio.sleep(10)
        nursery.cancel_scope.cancel()
    assert [event.data for event in store.events(KEY)] == [str(number) for number in range(8)]


async def test_what_is_patient_waits_with_its_reply(autojump_clock: object) -> None:
    store, topic = MemoryStore(seconds=0.25), Delivered()
    journal = Journal(store)
    store.fail("disk full")
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        reply: Reply[Position] = Reply()
        await put(journal, Appended(topic, (draft("word", "the last"),), reply, patient=True))
        await trio.sleep(5)
        figures = journal.statistics()
        assert figures.failure == "disk full"
        assert figures.failures > 1
        assert (figures.waiting, figures.commits, figures.events) == (1, 0, 0)
        store.recover()
        assert await reply.wait() == Position(topic.log.epoch, 1)
        await trio.sleep(1)
        figures = journal.statistics()
        assert (figures.waiting, figures.commits, figures.events, figures.failure) == (0, 1, 1, None)
        assert figures.last_commit_seconds == pytest.approx(0.25)
        nursery.cancel_scope.cancel()


async def test_goes_on_after_a_crash_of_its_actor(autojump_clock: object) -> None:
    store, topic = MemoryStore(), Delivered()
    journal = Journal(store)
    store.crash(RuntimeError("a defect"))
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="a defect")):
        async with trio.open_nursery() as nursery:
            await nursery.start(journal.run)
            await put(journal, entry(topic, "before"))
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        await put(journal, entry(topic, "after"))
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [event.data for event in store.events(KEY)] == ["before", "after"]


async def test_a_delivery_is_not_cut_short_where_the_engine_stops(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "is_due", lambda pace: True)
    store, topics = MemoryStore(seconds=1), [Delivered(), Delivered(ChannelKey("task", "task-2", "alice"))]
    journal = Journal(store)
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        replies: list[Reply[Position]] = [Reply() for _ in topics]
        for topic, reply in zip(topics, replies, strict=True):
            journal.put_nowait(entry(topic, "first", reply=reply))
        await trio.sleep(0.5)
        for topic in topics:
            journal.put_nowait(entry(topic, "second"))
        nursery.cancel_scope.cancel()
    assert [topic.batches for topic in topics] == [[[1], [2]]] * 2
    assert all(reply.is_answered for reply in replies)


async def test_a_task_that_has_published_and_ended_is_let_go(autojump_clock: object) -> None:
    topic, journal = Delivered(), Journal(MemoryStore())
    ended: list[ReferenceType[trio.lowlevel.Task]] = []

    async def publish() -> None:
        ended.append(ref(trio.lowlevel.current_task()))
        assert journal.try_put(entry(topic, "last words"))
        await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        nursery.start_soon(publish)
        await trio.testing.wait_all_tasks_blocked()
        gc.collect()
        assert [task() for task in ended] == [None]
        nursery.cancel_scope.cancel()
    assert topic.log.tail == 1
