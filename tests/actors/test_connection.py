from __future__ import annotations

import gc
import weakref

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.commands import ConfirmStep, CreateTask, Publish
from actors.connection import Connection
from actors.errors import CallboardError, ErrorCode
from actors.position import Position
from tests.support.agents import AGENTS
from tests.support.drafts import Seen, fact, read_back
from tests.support.world import ADMIN, ALICE, BOB, PUBLISHER, MemorySink, World


async def publish(world: World, topic: str, number: int) -> Position:
    return (await world.router.publish(PUBLISHER, Publish("app", topic, fact(number)))).position


async def task(world: World, agent: str) -> str:
    view = await world.router.create_task(ALICE, CreateTask(agent=agent, prompt="hi"))
    await wait_all_tasks_blocked()
    return view.id


def seen(sink: MemorySink) -> list[Seen]:
    return [read_back(line) for line in sink.lines]


def numbers(sink: MemorySink) -> list[object]:
    return [one.data for one in seen(sink) if one.event_type == "fact"]


async def test_before_authentication_nothing_is_admitted(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connection, _ = world.connect(None)
        with pytest.raises(CallboardError) as refused:
            world.watch(connection, "app", "news")
        assert refused.value.code is ErrorCode.UNAUTHORIZED


async def test_all_and_one_of_a_channel_deliver_once(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connection, sink = world.connect(ALICE)
        world.watch(connection, "app")
        world.watch(connection, "app", "news")
        world.watch(connection, "app")
        await publish(world, "news", 1)
        await publish(world, "more", 2)
        await wait_all_tasks_blocked()
        assert numbers(sink) == [1, 2]
        connection.leave("app", ["news"])
        await publish(world, "news", 3)
        assert numbers(sink) == [1, 2, 3], "the whole channel is still held"
        connection.leave_channel("app")
        await publish(world, "news", 4)
        await publish(world, "newer", 5)
        await wait_all_tasks_blocked()
        assert numbers(sink) == [1, 2, 3]
        assert connection.subscriptions == 0
        nursery.cancel_scope.cancel()


async def test_one_topic_is_left_and_the_other_stays(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connection, sink = world.connect(ALICE)
        world.watch(connection, "app", "a", "b")
        connection.leave("app", ["a", "never held"])
        await publish(world, "a", 1)
        await publish(world, "b", 2)
        await wait_all_tasks_blocked()
        assert numbers(sink) == [2]
        assert connection.topics("app") == ("b",)
        with pytest.raises(CallboardError, match=ErrorCode.INVALID_CHANNEL):
            connection.leave("nonsense", ["a"])
        with pytest.raises(CallboardError, match=ErrorCode.INVALID_CHANNEL):
            connection.leave_channel("nonsense")
        nursery.cancel_scope.cancel()


async def test_what_is_held_goes_on_while_the_reply_is_under_way(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connection, sink = world.connect(ALICE)
        world.watch(connection, "app", "news")
        await publish(world, "news", 1)
        admissions = connection.admit("app", {"news": "live"}, everything=False)
        await publish(world, "news", 2)
        connection.enter("app", admissions, everything=False)
        await publish(world, "news", 3)
        await wait_all_tasks_blocked()
        assert numbers(sink) == [1, 2, 3]
        nursery.cancel_scope.cancel()


async def test_what_comes_between_admission_and_entry_is_not_missed(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        since = await publish(world, "news", 1)
        await publish(world, "news", 2)
        connection, sink = world.connect(ALICE)
        (admission,) = connection.admit("app", {"news": since}, everything=False)
        assert admission.recovered
        assert (admission.epoch, admission.start.offset) == (since.epoch, 1)
        await publish(world, "news", 3)
        connection.enter("app", (admission,), everything=False)
        await wait_all_tasks_blocked()
        assert numbers(sink) == [2, 3]
        nursery.cancel_scope.cancel()


async def test_a_position_on_what_is_held_starts_there_again(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connection, sink = world.connect(ALICE)
        world.watch(connection, "app", "news")
        positions = [await publish(world, "news", number) for number in range(3)]
        world.watch(connection, "app", "news", start=positions[0])
        await wait_all_tasks_blocked()
        assert numbers(sink) == [0, 1, 2, 1, 2]
        assert connection.subscriptions == 1
        nursery.cancel_scope.cancel()


async def test_a_refused_subscription_changes_nothing(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connection, _ = world.connect(BOB)
        mine = await task(world, "forever")
        bobs = await world.router.create_task(BOB, CreateTask(agent="forever", prompt="hi"))
        with pytest.raises(CallboardError) as refused:
            world.watch(connection, "task", bobs.id, mine)
        assert refused.value.code is ErrorCode.NOT_FOUND
        with pytest.raises(CallboardError) as refused:
            world.watch(connection, "app", *map(str, range(101)))
        assert refused.value.code is ErrorCode.RATE_LIMITED
        assert connection.subscriptions == 0
        nursery.cancel_scope.cancel()


async def test_a_topic_that_is_held_counts_once_against_the_bound(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        connection, _ = world.connect(BOB)
        world.watch(connection, "app", *map(str, range(99)))
        world.watch(connection, "app", *map(str, range(100)))
        assert connection.subscriptions == 100
        with pytest.raises(CallboardError) as refused:
            world.watch(connection, "app", "99", "100")
        assert refused.value.code is ErrorCode.RATE_LIMITED
        assert connection.subscriptions == 100
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("whole", [True, False])
async def test_an_open_question_is_asked_again(autojump_clock: trio.abc.Clock, whole: bool) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await task(world, "asking")
        # Something was told after the question.
        tail = (await world.router.publish(ADMIN, Publish("task", task_id, fact(1)))).position.offset
        for _ in range(2):
            connection, sink = world.connect(ALICE)
            world.watch(connection, "task", *([] if whole else [task_id]), start="live")
            assert [one.event_type for one in seen(sink)] == ["step.confirm"]
            assert seen(sink)[0].offset == tail, "a client's position must not go back"
        stranger, nothing = world.connect(BOB)
        world.watch(stranger, "task")
        await world.router.command_task(ALICE, ConfirmStep(task_id, "s1", True))
        await wait_all_tasks_blocked()
        assert [one.event_type for one in seen(sink)][1:] == ["step.confirmed", "task.turn_completed", "task.completed"]
        assert nothing.lines == []
        late, late_sink = world.connect(ALICE)
        world.watch(late, "task")
        assert late_sink.lines == []
        nursery.cancel_scope.cancel()


async def test_an_old_question_is_not_asked_twice(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        task_id = await task(world, "asking")
        connection, sink = world.connect(ALICE)
        world.watch(connection, "task", task_id)
        await wait_all_tasks_blocked()
        assert [one.event_type for one in seen(sink)].count("step.confirm") == 1
        nursery.cancel_scope.cancel()


async def test_a_detached_connection_leaves_nothing_behind(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)

        async def live_shortly() -> weakref.ref[Connection]:
            connection, sink = world.connect(ALICE)
            world.watch(connection, "app")
            world.watch(connection, "app", "news")
            world.watch(connection, "system")
            await publish(world, "news", 1)
            connection.detach()
            await publish(world, "news", 2)
            assert numbers(sink) == [1]
            assert connection.subscriptions == 0
            return weakref.ref(connection)

        left = await live_shortly()
        figures = world.channels.statistics()
        assert (figures.subscriptions, figures.followers) == (0, 0)
        gc.collect()
        assert left() is None
        nursery.cancel_scope.cancel()


async def test_the_end_of_a_subscription_tells_what_the_client_was_sent(autojump_clock: trio.abc.Clock) -> None:
    async with trio.open_nursery() as nursery:
        world = World(nursery, AGENTS)
        keeping_up, _ = world.connect(ALICE)
        stalled, sink = world.connect(ALICE)
        key = world.router.resolve(ALICE, "app", "news")
        left: list[Position] = []
        for connection in (keeping_up, stalled):
            connection.hold(connection.admission(key, "live"), left.append)
        await publish(world, "news", 1)
        sink.close_up()
        await publish(world, "news", 2)
        last = await publish(world, "news", 3)
        await wait_all_tasks_blocked()
        keeping_up.let_go(key)
        stalled.detach()
        keeping_up.detach()
        # The one whose socket took no more holds the rest of one write, and has the third still to come.
        assert left == [last, Position(last.epoch, 2)]
        nursery.cancel_scope.cancel()
