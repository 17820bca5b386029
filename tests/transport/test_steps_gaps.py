"""What a client of the steps is told of a task of which not all is kept any more: no plan that is none, and that there
is a gap."""

from __future__ import annotations

from typing import Any

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.event import ChannelKey, Json, draft
from actors.log import Log
from actors.retention import Retention
from tests.support.kept_core import KeptCore, kept_core
from tests.support.memory_store import MemoryStore
from tests.support.steps import read
from transport.dialects.steps_projection import StepsProjection

FEED = ChannelKey("feed", "steps", "alice")
TASK = ChannelKey("task", "t1", "alice")
PLAN: Json = {"goal": "all", "steps": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}
BEGUN: list[tuple[str, Json]] = [("task.started", {}), ("plan.created", PLAN), ("step.started", {"step_id": "a"})]


def follow(core: KeptCore) -> StepsProjection:
    made = StepsProjection(1.0)
    feed = core.feeds.open(FEED, Retention(), lambda: made)
    core.feeds.follow(feed, "task", "alice")
    return made


async def say(core: KeptCore, *told: tuple[str, Json]) -> None:
    await core.channels.publish(TASK, *(draft(kind, data) for kind, data in told))
    await wait_all_tasks_blocked()


def heard(store: MemoryStore) -> list[tuple[str, Any]]:
    return [(event.event_type, event.data) for event in store.events(FEED)]


def gap(first: int, last: int) -> tuple[str, Json]:
    return "gap", {"taskId": "t1", "from": first, "to": last, "reason": "retention"}


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    return autojump_clock


async def crash_without_the_plan(store: MemoryStore) -> None:
    async with kept_core(store) as core:
        follow(core)
        await say(core, *BEGUN)
        core.channels.let_go(TASK, 2)
        await wait_all_tasks_blocked()


async def test_after_a_crash_a_plan_that_is_gone_is_not_told_anew(clock: MockClock) -> None:
    store = MemoryStore()
    await crash_without_the_plan(store)
    before = len(heard(store))
    async with kept_core(store) as core:
        follow(core)
        await say(core, ("step.completed", {"step_id": "a"}), ("step.started", {"step_id": "b"}))
        kinds = [kind for kind, _ in heard(store)[before:]]
        # Its followers know the three steps, and these go on.
        assert kinds == ["step:complete", "step:start"]


async def test_who_comes_after_the_crash_is_told_of_the_gap(clock: MockClock) -> None:
    store = MemoryStore()
    await crash_without_the_plan(store)
    async with kept_core(store) as core:
        steps = follow(core)
        await wait_all_tasks_blocked()
        assert read(steps.catch_up(1)) == [gap(1, 2)]
        await say(core, ("plan.updated", PLAN))
        assert [kind for kind, _ in read(steps.catch_up(1))] == ["plan:created"], "all of it is known again"
        await say(core, ("task.completed", {}))
        assert steps.catch_up(1) == []


async def test_what_the_feed_has_not_read_and_is_gone_is_told_to_all(clock: MockClock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        follow(core)
        await say(core, *BEGUN)
        before = len(heard(store))
    async with kept_core(store) as core:
        # Nobody has opened the feed.
        changed: Json = {"goal": "less", "steps": [{"id": "c"}]}
        await say(core, ("plan.updated", changed), ("step.started", {"step_id": "c"}))
        core.channels.let_go(TASK, 5)
        await say(core, ("step.started", {"step_id": "d"}))
        steps = follow(core)
        await wait_all_tasks_blocked()
        told = heard(store)[before:]
        assert [kind for kind, _ in told] == ["gap", "status", "step:start"]
        assert told[0] == gap(4, 5)
        assert read(steps.catch_up(1)) == [gap(4, 5)]


def test_the_plan_from_before_a_gap_is_told_as_such() -> None:
    steps = StepsProjection(1.0)
    log = Log(TASK, Retention(events=2), epoch="e1")
    for kind, data in BEGUN:
        steps.project(log.append(draft(kind, data)), 0.0)
    for number in range(4):
        log.append(draft("note", number))
    missing = log.missed(3)
    assert missing is not None
    assert read(steps.project(log.gap_event(missing, missing.last), 0.0)) == [gap(4, 5)]
    unplanned = log.append(draft("step.started", {"step_id": "d"}))
    assert [kind for kind, _ in read(steps.project(unplanned, 0.0))] == ["step:start"]
    first, second = read(steps.catch_up(1))
    assert first == gap(4, 5)
    assert second[1]["plan"]["goal"] == "all"


async def test_a_task_of_which_all_is_gone_leaves_nothing(clock: MockClock) -> None:
    store = MemoryStore()
    async with kept_core(store) as core:
        follow(core)
        await say(core, ("task.started", {}))
    async with kept_core(store) as core:
        await say(core, ("step.started", {"step_id": "a"}), ("task.completed", {}))
        core.channels.let_go(TASK, 3)
        steps = follow(core)
        await wait_all_tasks_blocked()
        assert steps.catch_up(1) == []
        assert [kind for kind, _ in read([steps.status(1)])] == ["status"]
