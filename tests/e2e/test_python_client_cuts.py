"""The Python client over connections that break at any byte: in the handshake, in a request, in mid-event."""

from __future__ import annotations

import random

import pytest
import trio

from callboard_client import Backoff, ConnectionLost, Event, Subscription, connect
from tests.e2e.conftest import Token
from tests.e2e.engine_process import PATIENCE, EngineProcess
from tests.support.scissors import start_scissors

SWIFT = Backoff(first=0.005, ceiling=0.02)
PIECES = 300
WHOLE = "".join(f"{number} " for number in range(1, PIECES + 1))


class Dice:
    """How many bytes each connection passes. The first one may pass all that comes before the events."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._first = True

    def __call__(self) -> int:
        if self._first:
            self._first = False
            return 6_000
        return self._random.choice([self._random.randrange(700), self._random.randrange(12_000)])


async def texts_of(events: Subscription, tasks: set[str]) -> dict[str, str]:
    """What these tasks say up to their ends, every event once and in order."""
    texts = dict.fromkeys(tasks, "")
    places = dict.fromkeys(tasks, 0)
    running = set(tasks)
    while running:
        event = await anext(events)
        assert isinstance(event, Event), event
        if event.topic in texts:
            assert event.first == places[event.topic] + 1
            places[event.topic] = event.position.offset
            if event.event_type == "agent.message":
                texts[event.topic] += event.data["content"]
            if event.event_type == "task.completed":
                running.remove(event.topic)
    return texts


@pytest.mark.parametrize("seed", range(4))
async def test_named_topics_are_followed_whole(
    engine: EngineProcess, token: Token, nursery: trio.Nursery, seed: int
) -> None:
    relay = await start_scissors(nursery, engine.url, Dice(seed))
    with trio.fail_after(PATIENCE):
        async with (
            connect(engine.url, token("alice")) as direct,
            connect(relay.url, token("alice"), backoff=SWIFT) as client,
        ):
            tasks = [await direct.create("burst", str(PIECES)) for _ in range(3)]
            since = {task.task_id: task.position for task in tasks}
            async with client.subscribe("task", *since, since=since) as events:
                assert await texts_of(events, set(since)) == dict.fromkeys(since, WHOLE)
    assert relay.accepted > 5


@pytest.mark.parametrize("seed", range(4))
async def test_of_a_whole_channel_what_was_heard_of_is_followed_whole(
    engine: EngineProcess, token: Token, nursery: trio.Nursery, seed: int
) -> None:
    relay = await start_scissors(nursery, engine.url, Dice(seed))
    user = f"wanda-{seed}"  # whose channel holds nothing else
    with trio.fail_after(PATIENCE):
        async with (
            connect(engine.url, token(user)) as direct,
            connect(relay.url, token(user), backoff=SWIFT) as client,
            client.subscribe("task") as events,
        ):
            task = await direct.create("burst", str(PIECES))
            assert await texts_of(events, {task.task_id}) == {task.task_id: WHOLE}
    assert relay.accepted > 2


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_asked_is_answered_or_known_to_be_unknown(
    engine: EngineProcess, token: Token, nursery: trio.Nursery, seed: int
) -> None:
    relay = await start_scissors(nursery, engine.url, Dice(seed))
    lost = 0
    with trio.fail_after(PATIENCE):
        async with connect(relay.url, token("alice"), backoff=SWIFT) as client:
            for _ in range(40):
                try:
                    task = await client.create("patient", "one")
                except ConnectionLost:
                    lost += 1
                    continue
                assert (await client.cancel(task.task_id)).state in ("cancelling", "cancelled")
                await client.ping()
    assert 0 < lost < 40


@pytest.mark.parametrize("seed", range(4))
async def test_of_a_whole_channel_nothing_is_missed(
    engine: EngineProcess, token: Token, nursery: trio.Nursery, seed: int
) -> None:
    """Most tasks begin while the connection is away, and many have ended before it is back."""
    relay = await start_scissors(nursery, engine.url, Dice(seed))
    user = f"walter-{seed}"  # whose channel holds nothing else
    with trio.fail_after(PATIENCE):
        async with (
            connect(engine.url, token(user)) as direct,
            connect(relay.url, token(user), backoff=SWIFT) as client,
            client.subscribe("task") as events,
        ):
            tasks: set[str] = set()
            for _ in range(30):
                tasks.add((await direct.create("burst", "20")).task_id)
            texts = await texts_of(events, tasks)
    assert texts == dict.fromkeys(tasks, "".join(f"{number} " for number in range(1, 21)))
    assert relay.accepted > 2
