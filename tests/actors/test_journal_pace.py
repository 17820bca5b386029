"""When the journal commits: what many producers say shares a commit, and nobody waits who is alone or has asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import trio

from actors.event import ChannelKey, Event, draft
from actors.journal import Journal, JournalOptions
from actors.journal_entries import Appended
from actors.log import Log
from actors.mailbox import Reply
from actors.position import Position
from actors.retention import Retention
from tests.support.memory_store import MemoryStore

COMMIT = 0.001
GATHER = 0.02
MANY = 16
ENOUGH = 128


class Topic:
    """Notes when each of its events was delivered."""

    def __init__(self, name: str) -> None:
        self.log = Log(ChannelKey("task", name), Retention())
        self.times: list[float] = []

    def deliver(self, events: Sequence[Event], entries: int) -> None:
        for event in events:
            self.log.add(event)
            self.times.append(trio.current_time())

    def give_up(self, entries: int) -> None:
        raise AssertionError("the store never fails here")


@dataclass
class Scene:
    journal: Journal
    store: MemoryStore
    topics: list[Topic]
    began: float

    def say(self, *topics: Topic, reply: Reply[Position] | None = None) -> None:
        for topic in topics:
            self.journal.put_nowait(Appended(topic, (draft("word", "a"),), reply))

    async def sleep_until(self, seconds: float) -> None:
        await trio.sleep_until(self.began + seconds)

    def delivered(self, topic: Topic) -> list[float]:
        return [time - self.began for time in topic.times]


@asynccontextmanager
async def crowd(topics: int = MANY) -> AsyncIterator[Scene]:
    """So many topics have just shared a commit, which began at 0."""
    store = MemoryStore(seconds=COMMIT)
    journal = Journal(store, JournalOptions(gather_seconds=GATHER))
    async with trio.open_nursery() as nursery:
        await nursery.start(journal.run)
        here = Scene(journal, store, [Topic(f"task-{number}") for number in range(topics)], trio.current_time())
        here.say(*here.topics)
        await here.sleep_until(2 * COMMIT)
        assert store.commits == 1
        yield here
        nursery.cancel_scope.cancel()


async def test_what_many_say_shares_the_next_commit(autojump_clock: object) -> None:
    async with crowd() as here:
        first, *_, last = here.topics
        here.say(first)
        await here.sleep_until(0.9 * GATHER)
        here.say(last)
        await here.sleep_until(2 * GATHER)
        assert here.store.commits == 2
        assert here.delivered(first) == here.delivered(last) == pytest.approx([COMMIT, GATHER + COMMIT])


async def test_what_comes_later_than_that_is_committed_at_once(autojump_clock: object) -> None:
    async with crowd() as here:
        await here.sleep_until(3 * GATHER)
        here.say(here.topics[0])
        await here.sleep_until(4 * GATHER)
        assert here.delivered(here.topics[0]) == pytest.approx([COMMIT, 3 * GATHER + COMMIT])


async def test_a_producer_alone_never_waits(autojump_clock: object) -> None:
    async with crowd(1) as here:
        (alone,) = here.topics
        here.say(alone, alone, alone, alone, alone)
        await here.sleep_until(4 * COMMIT)
        assert here.delivered(alone) == pytest.approx([COMMIT, *[3 * COMMIT] * 5])


async def test_a_few_do_not_wait_either(autojump_clock: object) -> None:
    async with crowd(MANY - 1) as here:
        here.say(here.topics[0])
        await here.sleep_until(4 * COMMIT)
        assert here.delivered(here.topics[0]) == pytest.approx([COMMIT, 3 * COMMIT])


async def test_many_who_come_one_after_the_other_are_many(autojump_clock: object) -> None:
    async with crowd(1) as here:
        others = [Topic(f"other-{number}") for number in range(MANY)]
        for pair in range(MANY // 2):
            here.say(*others[2 * pair : 2 * pair + 2])
            await here.sleep_until(2 * COMMIT * (pair + 2))
        here.say(here.topics[0])
        await here.sleep_until(3 * GATHER)
        # The last pair made them many: what came then waited from the beginning of its commit on.
        assert here.delivered(others[-1]) == pytest.approx([17 * COMMIT])
        assert here.delivered(here.topics[0]) == pytest.approx([COMMIT, 17 * COMMIT + GATHER])


async def test_who_waits_for_an_answer_takes_the_others_along(autojump_clock: object) -> None:
    async with crowd() as here:
        reply: Reply[Position] = Reply()
        first, *_, last = here.topics
        here.say(first)
        await here.sleep_until(3 * COMMIT)
        here.say(last, reply=reply)
        await reply.wait()
        assert here.delivered(first) == here.delivered(last) == pytest.approx([COMMIT, 4 * COMMIT])


async def test_an_answer_that_is_waited_for_already_is_not_put_off(autojump_clock: object) -> None:
    async with crowd() as here:
        reply: Reply[Position] = Reply()
        here.say(*here.topics[:-1])
        here.say(here.topics[-1], reply=reply)
        await reply.wait()
        assert here.delivered(here.topics[-1]) == pytest.approx([COMMIT, 3 * COMMIT])


async def test_enough_for_a_commit_is_not_put_off(autojump_clock: object) -> None:
    async with crowd(MANY) as here:
        for _ in range(ENOUGH // MANY):
            here.say(*here.topics)
        await here.sleep_until(4 * COMMIT)
        assert here.store.commits == 2
        assert here.topics[0].log.tail == 1 + ENOUGH // MANY


async def test_stopped_it_keeps_at_once_what_it_gathers(autojump_clock: object) -> None:
    async with crowd() as here:
        here.say(here.topics[0])
        await here.sleep_until(3 * COMMIT)
    assert here.delivered(here.topics[0]) == pytest.approx([COMMIT, 4 * COMMIT])
